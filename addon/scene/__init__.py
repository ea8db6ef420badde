# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on puts into the artist's scene: the head, its light, its preview, its exports."""

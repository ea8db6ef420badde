# SPDX-License-Identifier: GPL-3.0-or-later
"""What synthetic people have on their heads beside skin: hair that hangs, glasses, earrings."""

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on puts into the artist's scene: the head, its light, its preview, its exports.

Heads are told from other objects by a custom property; nothing here holds on to a datablock
between two calls, because an undo or another file would leave it dangling.
"""

# SPDX-License-Identifier: GPL-3.0-or-later
"""Filled in the next commit."""

CLASSES = ()


def draw(layout, context) -> None:
    """Nothing yet."""

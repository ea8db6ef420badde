# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the preferences page."""

CLASSES: tuple[type, ...] = ()


def register() -> None:
    """Called when the add-on is switched on."""


def unregister() -> None:
    """Called when the add-on is switched off."""

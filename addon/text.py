# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in the sidebar, which breaks no lines by itself."""

import bpy

# Characters of a text that fit into a line of the sidebar at its usual width.
LINE = 42


def draw_text(layout: bpy.types.UILayout, text: str, icon: str) -> None:
    """A text in lines that fit the sidebar; the icon is before the first."""
    column = layout.column(align=True)
    for index, line in enumerate(wrapped(text)):
        column.label(text=line, icon=icon if index == 0 else "BLANK1")


def wrapped(text: str, width: int = LINE) -> list[str]:
    """The words of a text in lines of at most `width` characters; longer words stay whole."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines

# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions of views: the same words in training and in generation."""


def view_words(yaw: float, pitch: float, close_up: bool) -> str:
    """How a caption names the camera: 'close up front view', 'left side view from above'.

    yaw and pitch in degrees; a positive yaw sees the person's left side.
    """
    turn = (yaw + 180.0) % 360.0 - 180.0
    side = "left" if turn > 0 else "right"
    amount = abs(turn)
    if amount < 22.5:
        view = "front view"
    elif amount < 67.5:
        view = f"{side} three quarter view"
    elif amount < 112.5:
        view = f"{side} side view"
    elif amount < 157.5:
        view = f"{side} rear view"
    else:
        view = "back view"
    height = " from above" if pitch > 15 else " from below" if pitch < -15 else ""
    return f"{'close up ' if close_up else ''}{view}{height}"


def portrait_caption(view: str, person: str, traits: str = "") -> str:
    """'a front view face portrait of a young woman with pale skin'; the paper's form."""
    return f"a {view} face portrait of a {person}" + (f" with {traits}" if traits else "")

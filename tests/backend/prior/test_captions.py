# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the captions: one vocabulary in training and in generation."""

import pytest

from idto3d.prior.captions import portrait_caption, view_words


@pytest.mark.parametrize(
    ("yaw", "words"),
    [
        (0, "front view"),
        (-22, "front view"),
        (30, "left three quarter view"),
        (-30, "right three quarter view"),
        (90, "left side view"),
        (270, "right side view"),
        (140, "left rear view"),
        (-140, "right rear view"),
        (180, "back view"),
        (-180, "back view"),
        (360, "front view"),
        (719, "front view"),
    ],
)
def test_view_by_yaw(yaw: float, words: str) -> None:
    """A positive yaw sees the person's left side."""
    assert view_words(yaw, 0.0, False) == words


def test_height_and_distance() -> None:
    assert view_words(0, 20, False) == "front view from above"
    assert view_words(90, -20, True) == "close up left side view from below"
    assert view_words(0, 15, True) == "close up front view"


def test_caption() -> None:
    assert (
        portrait_caption("front view", "young woman", "pale skin")
        == "a front view face portrait of a young woman with pale skin"
    )
    assert portrait_caption("back view", "person") == "a back view face portrait of a person"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes that are drawn, and eyes that aren't."""

import numpy as np
import pytest

from idto3d.evaluation.drawn_eyes import DRAWN, eye_likeness

SIZE = 64
CENTRES = ((20.0, 30.0), (44.0, 30.0))  # of the person's right eye and left eye, pixels


def _marks(right: float = 0.0) -> np.ndarray:
    """(1,68,2) with eyes 12 pixels wide, moved to the right."""
    marks = np.zeros((1, 68, 2), dtype=np.float32)
    turn = np.deg2rad([180, 240, 300, 0, 60, 120])
    ring = np.stack([6 * np.cos(turn), 3 * np.sin(turn)], axis=1)
    for start, centre in zip((36, 42), CENTRES, strict=True):
        marks[0, start : start + 6] = ring + centre + [right, 0]
    return marks


def _face(eyes: int = 2, right: int = 0, contrast: float = 1.0) -> np.ndarray:
    """(1,SIZE,SIZE,3) skin with white eyeballs and dark irises, the first so many."""
    y, x = np.mgrid[:SIZE, :SIZE]
    face = np.full((SIZE, SIZE, 3), 150.0)
    for centre in CENTRES[:eyes]:
        across, down = (x - centre[0] - right) / 6, (y - centre[1]) / 3
        face[across**2 + down**2 < 1] = 150 + 80 * contrast
        face[(2 * across) ** 2 + down**2 < 1] = 150 - 110 * contrast
    return face[None].astype(np.uint8)


def test_the_same_eyes_are_alike() -> None:
    likeness = eye_likeness(_face(), _marks(), _face(), _marks())
    assert likeness.shape == (1, 2)
    np.testing.assert_allclose(likeness, 1, atol=1e-5)


def test_each_picture_has_its_own_landmarks() -> None:
    likeness = eye_likeness(_face(right=7), _marks(7), _face(), _marks())
    assert (likeness > 0.99).all()


def test_a_pixels_shift_is_forgiven_and_more_is_not() -> None:
    assert (eye_likeness(_face(right=1), _marks(), _face(), _marks()) > 0.99).all()
    assert (eye_likeness(_face(right=6), _marks(), _face(), _marks()) < DRAWN).all()


def test_a_missing_eye_is_told_from_one_that_is_there() -> None:
    likeness = eye_likeness(_face(eyes=1), _marks(), _face(), _marks())
    assert likeness[0, 0] > 0.99
    assert likeness[0, 1] == pytest.approx(0, abs=1e-6)


def test_a_faint_eye_counts_less() -> None:
    likeness = eye_likeness(_face(contrast=0.1), _marks(), _face(), _marks())
    np.testing.assert_allclose(likeness, 0.2, atol=0.03)
    assert (eye_likeness(_face(contrast=0.6), _marks(), _face(), _marks()) > 0.99).all()

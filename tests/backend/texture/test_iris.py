# SPDX-License-Identifier: GPL-3.0-or-later
"""The irises' colour from drawn eyes whose colour is known."""

import numpy as np
import pytest

from idto3d.texture.iris import iris_colour

BLUE, BROWN = (0.30, 0.38, 0.45), (0.30, 0.20, 0.13)
SIZE, CM = 400, 20.0  # pixels of the photo and of a face centimetre


def face(
    colour: tuple[float, float, float],
    light: tuple[float, float, float] = (1.0, 1.0, 1.0),
    opening: float = 0.9,
    gaze: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """A photo (SIZE,SIZE,3) of two eyes in brown skin, and 68 landmarks; opening, gaze in cm."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    image = np.full((SIZE, SIZE, 3), (0.6, 0.42, 0.33))
    marks = np.full((68, 2), 200.0)
    for middle, first in ((110.8, 36), (289.2 - 0.0, 42)):
        x, y = (columns - middle) / CM, (rows - 180.0) / CM
        lids = (x / 1.55) ** 2 + (y / (0.5 * opening + 1e-9)) ** 2 < 1
        image[lids] = (0.84, 0.82, 0.80)
        radius = np.hypot(x - gaze, y)
        image[lids & (radius < 0.62)] = colour
        image[lids & (radius < 0.24)] = 0.02
        along = np.array([-1.55, -0.6, 0.6, 1.55, 0.6, -0.6])
        high = 0.5 * opening * np.array([0, -0.92, -0.92, 0, 0.92, 0.92])
        marks[first : first + 6] = np.stack([middle + CM * along, 180 + CM * high], axis=1)
    # Outer corners are 8.92 cm apart, as the landmarks' measure wants it.
    marks[36, 0], marks[45, 0] = 200 - 4.46 * CM, 200 + 4.46 * CM
    return (np.clip(image * light, 0, 1) * 255).astype(np.uint8), marks


@pytest.mark.parametrize("colour", [BLUE, BROWN])
@pytest.mark.parametrize("gaze", [0.0, 0.3])
def test_irises_have_their_colour(colour: tuple[float, float, float], gaze: float) -> None:
    assert np.allclose(iris_colour([face(colour, gaze=gaze)]), colour, atol=0.06)


def test_the_light_s_colour_is_taken_out() -> None:
    warm = iris_colour([face(BLUE, light=(0.9, 0.7, 0.5))])
    assert np.allclose(warm, BLUE, atol=0.06)


def test_closed_eyes_tell_nothing() -> None:
    shut = face(BLUE, opening=0.1)
    assert iris_colour([shut]) is None and iris_colour([]) is None
    assert np.allclose(iris_colour([shut, face(BROWN)]), BROWN, atol=0.06)


def test_eyes_beyond_the_picture_tell_nothing() -> None:
    pixels, marks = face(BLUE)
    assert iris_colour([(pixels, marks - [300.0, 0.0])]) is None

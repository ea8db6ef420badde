# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin under known light, with a beard, and seen by a network that errs."""

import numpy as np
import pytest

from idto3d.texture.layers import to_linear, to_srgb
from idto3d.texture.skin_tone import LEAST, PHOTO_SHARE, SHADE, skin_tone

SKIN = np.array([0.62, 0.44, 0.34])


def photo(light: np.ndarray, count: int = 400) -> np.ndarray:
    """Places of a face in a light (3,), linear, unevenly lit."""
    shade = np.exp(np.random.default_rng(1).normal(0, 0.1, (count, 1)))
    return to_srgb(to_linear(SKIN) * light * shade)


def test_light_is_shared_between_photo_and_network() -> None:
    light = np.array([1.3, 1.0, 0.8])
    truth = np.tile(SKIN, (400, 1))
    tone, found = skin_tone([(photo(light), truth)])
    expected = to_linear(SKIN) * light**PHOTO_SHARE * np.exp(SHADE)
    assert np.allclose(to_linear(tone), expected, rtol=0.03)
    assert np.allclose(found * np.exp(SHADE), light ** (1 - PHOTO_SHARE), rtol=0.03)


def test_lights_of_several_photos_cancel() -> None:
    lights = np.array([[1.25, 1.0, 0.8], [0.8, 1.0, 1.25]])
    tone, light = skin_tone([(photo(each), None) for each in lights])
    assert np.allclose(to_linear(tone), to_linear(SKIN) * np.exp(SHADE), rtol=0.03)
    assert np.allclose(light * np.exp(SHADE), 1.0, rtol=0.01)


def test_a_beard_is_no_skin() -> None:
    colours = photo(np.ones(3))
    bearded = colours.copy()
    bearded[:150] = to_srgb(0.15 * to_linear(colours[:150]))
    plain, found = (skin_tone([(each, None)])[0] for each in (colours, bearded))
    assert found == pytest.approx(plain, abs=0.02)


def test_a_photo_that_shows_hardly_any_skin_says_nothing() -> None:
    assert skin_tone([(photo(np.ones(3), LEAST - 1), None)]) is None
    both = [(photo(np.ones(3)), None), (np.full((LEAST - 1, 3), 0.05), None)]
    assert skin_tone(both)[0] == pytest.approx(skin_tone(both[:1])[0])

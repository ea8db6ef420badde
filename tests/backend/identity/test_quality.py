# SPDX-License-Identifier: GPL-3.0-or-later
"""Each measure follows what is done to a photo, and leaves the others' causes alone."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from idto3d.identity.dlib_encoder import MEAN_LANDMARKS
from idto3d.identity.quality import measure, proportions


def exposed(image: np.ndarray, gain: float) -> np.ndarray:
    """More or less light, in linear light, rounded to 8 bits as a camera does."""
    return (255 * np.clip((image / 255.0) ** 2.2 * gain, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def test_portrait(portrait, face):
    quality = measure(portrait, face)
    assert quality.eye_distance == pytest.approx(43, abs=2)
    assert quality.sharpness > 0.3
    assert quality.highlights > 200
    assert quality.clipped < 0.001
    assert abs(quality.sideways) < 0.08
    assert quality.length == pytest.approx(0.71, abs=0.05)
    assert quality.outside == 0


def test_blur_lowers_sharpness_steadily(portrait, face):
    sharp = [
        measure(gaussian_filter(portrait, (sigma, sigma, 0)), face).sharpness
        for sigma in (0, 0.8, 1.6, 2.6, 5)
    ]
    assert (np.diff(sharp) < -0.02).all()
    assert sharp[-1] < 0.09


@pytest.mark.parametrize("gain", [0.05, 0.3, 1.5])
def test_light_changes_highlights_and_not_sharpness(portrait, face, gain):
    plain, changed = measure(portrait, face), measure(exposed(portrait, gain), face)
    assert np.sign(changed.highlights - plain.highlights) == np.sign(gain - 1)
    assert changed.sharpness == pytest.approx(plain.sharpness, rel=0.2)


def test_white_pixels_are_counted(portrait, face):
    white = portrait.copy()
    white[:] = 255
    assert measure(white, face).clipped == 1
    assert measure(exposed(portrait, 6), face).clipped > 0.3


def test_size_follows_the_photo(portrait, face):
    half = np.asarray(Image.fromarray(portrait).resize((256, 256), Image.Resampling.LANCZOS))
    small = replace(face, landmarks=face.landmarks / 2, box=tuple(side / 2 for side in face.box))
    quality = measure(half, small)
    assert quality.eye_distance == pytest.approx(measure(portrait, face).eye_distance / 2)
    assert quality.sharpness > 0.2


def test_a_face_half_out_of_the_picture(portrait, face):
    left, top, right, bottom = face.box
    edge = round((left + right) / 2)
    quality = measure(np.ascontiguousarray(portrait[:, :edge]), face)
    assert quality.outside == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("yaw", [-45, -20, 0, 20, 45])
@pytest.mark.parametrize("roll", [0, 35])
def test_proportions_of_a_turned_head(yaw, roll):
    # The mean face as a solid: eyes in a plane, the nose base 0.55 eye distances before it.
    points = np.column_stack([MEAN_LANDMARKS - MEAN_LANDMARKS[:4].mean(axis=0), np.zeros(5)])
    unit = proportions(MEAN_LANDMARKS)[0]
    points[4, 2] = 0.55 * unit
    turn, tip = np.deg2rad(yaw), np.deg2rad(roll)
    turned = np.column_stack(
        [points[:, 0] * np.cos(turn) + points[:, 2] * np.sin(turn), points[:, 1]]
    )
    rolled = turned @ np.array([[np.cos(tip), -np.sin(tip)], [np.sin(tip), np.cos(tip)]]).T
    distance, sideways, length = proportions(300 * rolled)
    assert distance == pytest.approx(300 * unit * np.cos(turn))
    assert sideways == pytest.approx(0.55 * np.tan(turn), abs=0.01)
    assert length == pytest.approx(0.7735 / np.cos(turn), rel=0.01)

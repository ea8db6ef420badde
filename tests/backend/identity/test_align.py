# SPDX-License-Identifier: GPL-3.0-or-later
"""ArcFace chips put the eyes where the template has them."""

import numpy as np

from idto3d.identity.align import ARCFACE_EYES, ARCFACE_NOSE_BASE, arcface_chip, eye_centres
from idto3d.identity.dlib_encoder import MEAN_LANDMARKS


def spots_image(points: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8, black with soft spots, one colour channel for each of three points."""
    rows, columns = np.mgrid[:size, :size]
    channels = [
        255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2)) for x, y in points
    ]
    return np.stack(channels, axis=-1).astype(np.uint8)


def test_eyes_and_nose_meet_the_template():
    turn = np.deg2rad(-30.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = 190 * (MEAN_LANDMARKS - 0.5) @ rotation.T + 260
    image = spots_image(np.vstack([eye_centres(landmarks), landmarks[4:]]), 512)
    chip = arcface_chip(image, landmarks).astype(float)
    assert chip.shape == (112, 112, 3)
    rows, columns = np.mgrid[:112, :112]
    for channel, (x, y) in enumerate([*ARCFACE_EYES, ARCFACE_NOSE_BASE]):
        weight = chip[..., channel]
        centre = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
        assert abs(centre[0] - x) < 1.5 and abs(centre[1] - y) < 1.5


def test_template_of_the_nose_base_follows_from_dlibs_mean_shape():
    right, left = eye_centres(MEAN_LANDMARKS)
    below = (MEAN_LANDMARKS[4] - (right + left) / 2) / np.linalg.norm(left - right)
    eyes = ARCFACE_EYES
    expected = eyes.mean(axis=0) + below * np.linalg.norm(eyes[1] - eyes[0])
    np.testing.assert_allclose(ARCFACE_NOSE_BASE, expected, atol=0.05)


def test_portrait_stands_upright_in_the_chip(portrait, face):
    chip = arcface_chip(portrait, face.landmarks)
    eyes = chip[46:58, 30:82].mean()
    cheeks = chip[66:78, 25:40].mean()
    assert cheeks > eyes + 20
    assert (chip.max(axis=-1) == 0).mean() < 0.03

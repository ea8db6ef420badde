# SPDX-License-Identifier: GPL-3.0-or-later
"""Chips are dlib's own to the bit, and embeddings tell people apart."""

import dlib
import numpy as np
import pytest
from skimage.data import astronaut

from idto3d.identity.dlib_encoder import (
    CHIP_LANDMARKS,
    DlibEncoder,
    chip_from_landmarks,
    embed_chips,
    model_path,
)


@pytest.fixture(scope="module")
def portrait():
    """The astronaut (512, 512, 3) and dlib's own detection of her five points."""
    image = astronaut()
    box = dlib.get_frontal_face_detector()(image)[0]
    return image, dlib.shape_predictor(model_path("shape_predictor_5_face_landmarks.dat"))(
        image, box
    )


def _landmarks(shape) -> np.ndarray:
    return np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float64)


def test_chip_equals_dlibs(portrait):
    image, shape = portrait
    np.testing.assert_array_equal(
        chip_from_landmarks(image, _landmarks(shape)), dlib.get_face_chip(image, shape)
    )


def test_landmarks_land_where_the_chip_wants_them():
    turn = np.deg2rad(20.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = 1.7 * (CHIP_LANDMARKS - 75) @ rotation.T + 200
    rows, columns = np.mgrid[:400, :400]
    for index, (x, y) in enumerate(landmarks):
        spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2))
        chip = chip_from_landmarks(np.repeat(spot[..., None], 3, 2).astype(np.uint8), landmarks)
        weight = chip[..., 0].astype(float)
        centre = [(weight * axis).sum() / weight.sum() for axis in np.mgrid[:150, :150][::-1]]
        assert np.abs(centre - CHIP_LANDMARKS[index]).max() < 1.5


def test_fractions_of_a_pixel_count(portrait):
    image, shape = portrait
    landmarks = _landmarks(shape)
    moved = chip_from_landmarks(image, landmarks + 0.4)
    assert (moved != chip_from_landmarks(image, landmarks)).mean() > 0.1


def test_embedding_equals_dlibs_and_keeps_order(portrait):
    image, shape = portrait
    chip = chip_from_landmarks(image, _landmarks(shape))
    mirrored = np.ascontiguousarray(chip[:, ::-1])
    recogniser = dlib.face_recognition_model_v1(
        model_path("dlib_face_recognition_resnet_model_v1.dat")
    )
    expected = np.array(recogniser.compute_face_descriptor(image, shape))
    embeddings = embed_chips(np.stack([mirrored, chip]))
    assert embeddings.shape == (2, DlibEncoder.dimension)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings[1], expected, atol=1e-6)
    assert 0.05 < np.linalg.norm(embeddings[0] - embeddings[1]) < 0.5


def test_no_chips_give_no_embeddings():
    assert embed_chips(np.zeros((0, 150, 150, 3), np.uint8)).shape == (0, 128)


def test_chips_of_another_size_are_refused():
    with pytest.raises(ValueError, match="150"):
        embed_chips(np.zeros((1, 112, 112, 3), np.uint8))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces are found upright, lying, small, large and by the CNN where HOG fails."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import coffee

from idto3d.identity.align import eye_centres
from idto3d.identity.detect import find_faces, turned

EYES = np.array([[203.5, 102.0], [246.5, 104.5]])


def test_portrait(face):
    assert face.detector == "hog"
    assert np.abs(eye_centres(face.landmarks) - EYES).max() < 4
    left, top, right, bottom = face.box
    assert left < 200 < 250 < right and top < 100 < 150 < bottom
    assert 80 < face.size < 110


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_lying_photo_is_turned_upright(portrait, face, degrees):
    lying = turned(portrait, 360 - degrees)
    found_degrees, faces = find_faces(lying)
    assert found_degrees == degrees
    np.testing.assert_array_equal(turned(lying, found_degrees), portrait)
    assert np.abs(faces[0].landmarks - face.landmarks).max() < 3


def test_turned_is_clockwise():
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = 9
    assert turned(image, 90).shape == (3, 2, 3)
    assert turned(image, 90)[0, 1, 0] == 9
    assert turned(image, 180)[1, 2, 0] == 9


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_points_are_in_pixels_of_the_photo(portrait, face, scale):
    size = round(512 * scale)
    image = np.asarray(Image.fromarray(portrait).resize((size, size), Image.Resampling.LANCZOS))
    _, faces = find_faces(image)
    assert np.abs(faces[0].landmarks / scale - face.landmarks).max() < 5


def test_largest_first(portrait):
    head = portrait[:256, 96:352]
    small = np.asarray(Image.fromarray(head).resize((150, 150), Image.Resampling.LANCZOS))
    image = np.full((256, 406, 3), 120, np.uint8)
    image[:150, :150] = small
    image[:, 150:] = head
    _, faces = find_faces(image)
    assert len(faces) == 2
    assert faces[0].size > 1.3 * faces[1].size
    assert faces[0].box[0] > faces[1].box[0]


def test_the_cnn_finds_what_hog_does_not(portrait, face):
    # A slanted head: HOG's templates stop near 30 degrees of roll.
    slanted = Image.fromarray(portrait[:300, 80:380]).rotate(48, Image.Resampling.BICUBIC)
    degrees, faces = find_faces(np.asarray(slanted))
    assert degrees == 0
    assert [found.detector for found in faces] == ["cnn"]
    assert 0.6 < faces[0].size / face.size < 1.6


def test_no_face():
    assert find_faces(coffee()[:100, :300]) == (0, ())

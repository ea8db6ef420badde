# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a face to the fixed place and size that a recogniser was trained on.

dlib's five points are the two corners of each eye and the base of the nose. There are no mouth
corners and no tip of the nose among them, so ArcFace's own five-point template can't be met exactly
from them; see `arcface_chip`. From InsightFace's detector it can.
"""

import dlib
import numpy as np

# Rows of dlib's five points, sides as the person's own.
LEFT_EYE_OUTER, LEFT_EYE_INNER, RIGHT_EYE_OUTER, RIGHT_EYE_INNER, NOSE_BASE = range(5)

ARCFACE_SIZE = 112
# Eye centres of ArcFace's 112 px template (Deng et al., "ArcFace", CVPR 2019; the published
# alignment code), left and right in the picture. The template goes on with the tip of the nose at
# (56.03, 71.74) and the mouth corners at y = 92.3.
ARCFACE_EYES = np.array([[38.2946, 51.6963], [73.5318, 51.5014]])
ARCFACE_POINTS = np.array(
    [*ARCFACE_EYES, [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# The base of the nose lies 0.7735 eye distances below the middle between the eyes in dlib's mean
# shape (`dlib_encoder.MEAN_LANDMARKS`), and so, in ArcFace's template, between tip and mouth.
ARCFACE_NOSE_BASE = np.array([55.91, 78.86])


def similarity_chip(
    image: np.ndarray, points: np.ndarray, template: np.ndarray, size: int
) -> np.ndarray:
    """Resample an image so that `points` come to lie on `template`, in the least-squares sense.

    A similarity (turn, one scale, shift; Umeyama 1991) found and applied by dlib: the image is
    first halved as often as the scale asks, then sampled bilinearly, so nothing aliases.

    Args:
        image: (H, W, 3) uint8.
        points: (K, 2) floats, x and y in pixels of the image; 0 is the centre of the first pixel.
        template: (K, 2) floats, where they go, in pixels of the chip.
        size: width and height of the chip.

    Returns:
        (size, size, 3) uint8; black where the chip leaves the image.
    """
    details = dlib.chip_details(_points(template), _points(points), dlib.chip_dims(size, size))
    return dlib.extract_image_chip(np.ascontiguousarray(image), details)


def eye_centres(landmarks: np.ndarray) -> np.ndarray:
    """(..., 5, 2) landmarks to (..., 2, 2): the person's right eye (left in the picture), left."""
    right = landmarks[..., [RIGHT_EYE_OUTER, RIGHT_EYE_INNER], :].mean(axis=-2)
    left = landmarks[..., [LEFT_EYE_OUTER, LEFT_EYE_INNER], :].mean(axis=-2)
    return np.stack([right, left], axis=-2)


def arcface_chip(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The 112 px chip for ArcFace models, approximately.

    Aligned by three points instead of ArcFace's five: both eye centres and the base of the nose,
    whose place in the template is derived from dlib's mean shape.

    Args:
        image: (H, W, 3) uint8, RGB.
        landmarks: (5, 2), dlib's five points in pixels.

    Returns:
        (112, 112, 3) uint8, RGB.
    """
    points = np.concatenate([eye_centres(landmarks), landmarks[NOSE_BASE : NOSE_BASE + 1]])
    template = np.concatenate([ARCFACE_EYES, ARCFACE_NOSE_BASE[None]])
    return similarity_chip(image, points, template, ARCFACE_SIZE)


def arcface_chip_from_own(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The 112 px chip for ArcFace models by its own five points, as its training data were aligned.

    Args:
        image: (H, W, 3) uint8, RGB.
        points: (5, 2) in pixels: eye centres, tip of the nose, mouth's corners, left in the
            picture first.

    Returns:
        (112, 112, 3) uint8, RGB.
    """
    return similarity_chip(image, points, ARCFACE_POINTS, ARCFACE_SIZE)


def _points(points: np.ndarray) -> dlib.dpoints:
    return dlib.dpoints([dlib.dpoint(float(x), float(y)) for x, y in points])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that tell whether a face in a photo is good enough to learn a person from."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from idto3d.identity.align import NOSE_BASE, eye_centres
from idto3d.identity.detect import Face
from idto3d.identity.dlib_encoder import chip_from_landmarks

# Brows to chin and cheek to cheek in a 150 px chip.
_FACE = (slice(30, 125), slice(30, 120))
_CLIPPED = 250


@dataclass(frozen=True)
class Quality:
    """Measures of one face."""

    eye_distance: float  # between the eye centres, in pixels of the photo
    sharpness: float  # fine over coarse detail at chip scale; photos in focus have 0.24 to 0.6
    highlights: float  # 95th percentile of the face's luma, 0 to 255
    clipped: float  # fraction of the face that is white in all channels
    sideways: float  # nose base off the middle of the eyes, in eye distances; 0.32 at 30 degrees
    length: float  # nose base below the eyes, in eye distances; 0.72 from the front
    outside: float  # fraction of the face's box outside the photo


def measure(image: np.ndarray, face: Face) -> Quality:
    """Measure one face of a photo (H, W, 3) uint8."""
    chip = chip_from_landmarks(image, face.landmarks)[_FACE]
    luma = chip @ np.array([0.299, 0.587, 0.114])
    eye_distance, sideways, length = proportions(face.landmarks)
    return Quality(
        eye_distance=eye_distance,
        sharpness=sharpness(luma),
        highlights=float(np.percentile(luma, 95)),
        clipped=float((chip.min(axis=-1) >= _CLIPPED).mean()),
        sideways=sideways,
        length=length,
        outside=_outside(image, face),
    )


def sharpness(luma: np.ndarray) -> float:
    """Detail between 1 and 2 pixels over detail between 4 and 12 (standard deviations).

    Both bands lose alike in contrast and exposure, so the ratio doesn't: from 4 times brighter to
    30 times darker its median changed by a quarter. Both are band-pass, so the rounding to 8 bits
    of a dark photo doesn't pass for detail.

    Args:
        luma: (H, W) of a face about 100 pixels wide.
    """
    luma = luma.astype(np.float64)
    fine = gaussian_filter(luma, 1.0) - gaussian_filter(luma, 2.0)
    coarse = gaussian_filter(luma, 4.0) - gaussian_filter(luma, 12.0)
    return float(fine.std() / max(coarse.std(), 1e-6))


def proportions(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Eye distance in pixels; nose base beside and below the eyes' middle, in eye distances.

    Measured along and across the line of the eyes, so roll doesn't matter. A turn of the head
    moves the nose base sideways (0.15 at 15 degrees, 0.32 at 30, about 0.5 at 45, where the points
    begin to fail) and, since the eyes come nearer, down (0.85 at 30, 1.03 at 45, 1.2 at 60).

    Args:
        landmarks: (5, 2), dlib's five points.
    """
    right, left = eye_centres(landmarks.astype(np.float64))
    distance = float(np.linalg.norm(left - right))
    along = (left - right) / max(distance, 1e-6)
    across = np.array([-along[1], along[0]])
    nose = landmarks[NOSE_BASE] - (left + right) / 2
    scale = max(distance, 1e-6)
    return distance, float(nose @ along / scale), float(nose @ across / scale)


def _outside(image: np.ndarray, face: Face) -> float:
    left, top, right, bottom = face.box
    width = max(0.0, min(right, image.shape[1]) - max(left, 0.0))
    height = max(0.0, min(bottom, image.shape[0]) - max(top, 0.0))
    return 1.0 - width * height / face.size**2

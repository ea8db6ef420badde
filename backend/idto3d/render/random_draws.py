# SPDX-License-Identifier: GPL-3.0-or-later
"""Random numbers, directions and colours for procedural environments."""

import colorsys
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """What the makers of environments draw, from one generator."""

    generator: torch.Generator

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def integer(self, count: int) -> int:
        """0 to count - 1."""
        return int(torch.randint(count, (), generator=self.generator))

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def vary(self, colour: Tensor, amount: float) -> Tensor:
        """The colour (3,) brighter or darker by `amount` in its logarithm, and a third in hue."""
        return colour * torch.exp(amount * (self.normal(1) + 0.33 * self.normal(3)))

    def direction(self, low: float, high: float, spread: float = 180.0) -> Tensor:
        """A unit vector (3,), elevation between low and high, azimuth within spread of +Z, in
        degrees."""
        elevation = math.radians(self.uniform(low, high))
        azimuth = math.radians(self.uniform(-spread, spread))
        ring = math.cos(elevation)
        return torch.tensor(
            [ring * math.sin(azimuth), math.sin(elevation), ring * math.cos(azimuth)]
        )


def blackbody(temperature: float) -> Tensor:
    """Linear RGB (3,) of a hot body in kelvin, 1500 to 15000, with luminance one.

    Chromaticity: the cubic fit of the Planckian locus by Kim et al. (2002); to linear sRGB.
    """
    t = 1000.0 / min(max(temperature, 1667.0), 25000.0)
    if temperature < 4000:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if temperature < 2222:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif temperature < 4000:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    tristimulus = torch.tensor([x / y, 1.0, (1 - x - y) / y])
    to_rgb = torch.tensor(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    return (to_rgb @ tristimulus).clamp(min=0.0)


def saturated(hue: float, saturation: float) -> Tensor:
    """Linear RGB (3,) of a hue in turns, full value."""
    return torch.tensor(colorsys.hsv_to_rgb(hue % 1.0, saturation, 1.0)) ** 2.2

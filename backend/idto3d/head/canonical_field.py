# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity's shape as a residual on the template's signed distance.

sdf(x) = template_sdf(x) + residual(x), on lattice vertices that move by offset(x). The template
carries the absolute shape; the field only what makes this person different, and starts at exactly
zero, so no regression phase is needed before the optimisation.
"""

from dataclasses import dataclass, field

import torch

from idto3d.head.encoding import make_hash_grid
from idto3d.head.hash_grid import HashGridSettings, LocatedPoints
from idto3d.head.perceptron import linear, perceptron, zero_linear


@dataclass(frozen=True)
class CanonicalFieldSettings:
    """Sizes and limits of the canonical field."""

    grid: HashGridSettings = field(default_factory=HashGridSettings)
    width: int = 32  # of the two hidden layers
    # The residual can't exceed this, in units: 0.06 is 22 mm on a head of 0.36 m to the unit.
    max_displacement: float = 0.06
    # Length that a lattice vertex may move, in cells. The narrowest way through a lattice
    # tetrahedron is 0.5 cells, between two opposite edges: below half of that none can turn over
    # (at half a cell, as in DMTet, some do).
    max_offset: float = 0.24


class CanonicalField(torch.nn.Module):
    """Hash grid and two-layer perceptron: point -> (signed distance residual, vertex offset).

    resolution: cells of the lattice along the unit cube; it scales the offset's limit.
    """

    def __init__(
        self,
        settings: CanonicalFieldSettings,
        resolution: int,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ):
        super().__init__()
        self.settings = settings
        self.offset_limit = settings.max_offset / resolution
        self.grid = make_hash_grid(settings.grid, generator, device)
        self.perceptron = torch.nn.Sequential(
            linear(self.grid.width + 3, settings.width, generator),
            torch.nn.ReLU(),
            linear(settings.width, settings.width, generator),
            torch.nn.ReLU(),
            zero_linear(settings.width, 4),
        ).to(device)

    def locate(self, points: torch.Tensor) -> LocatedPoints:
        """Prepare points (N,3) that will be asked for at many steps."""
        return self.grid.locate(points)

    def forward(self, points: torch.Tensor | LocatedPoints) -> tuple[torch.Tensor, torch.Tensor]:
        """points (N,3) in [-0.5, 0.5] -> residual (N,), offset (N,3), float32, in units.

        |residual| < max_displacement and |offset| < max_offset cells, both by smooth saturation.
        """
        located = points if isinstance(points, LocatedPoints) else self.locate(points)
        # The plain position lets the perceptron express smooth global change at once.
        features = torch.cat([self.grid(located), 2 * located.points], dim=-1)
        raw = perceptron(features, *self.perceptron.parameters())
        residual = self.settings.max_displacement * torch.tanh(raw[:, 0])
        vector = raw[:, 1:]
        shrink = torch.rsqrt(1 + vector.square().sum(dim=-1, keepdim=True))
        return residual, self.offset_limit * vector * shrink

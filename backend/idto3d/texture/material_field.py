# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin's material as a field over the canonical surface, one for each expression.

Built like the deformation field: a transformer over the set of expression latents (3 layers,
latents of 32: the paper's) modulates a small perceptron over hash grid features. What it yields
is added to given base values in logit space, so the photographs' colours are the start and every
value stays between 0 and 1 whatever the optimiser does.
"""

from dataclasses import dataclass, field
from typing import Any

import torch

from idto3d.head.encoding import make_hash_grid
from idto3d.head.hash_grid import HashGridSettings, LocatedPoints
from idto3d.head.perceptron import (
    linear,
    modulated,
    perceptron,
    set_transformer,
    zero_linear,
)

# Columns of a material, the same everywhere: sRGB albedo, roughness, metallic.
ALBEDO, ROUGHNESS, METALLIC = slice(0, 3), 3, 4
CHANNELS = 5
# Base values are kept this far from 0 and 1, where the logit and its gradient end. At 0.004 a
# byte can't tell the difference, and skin stays non-metal unless the guidance insists.
MARGIN = 0.004


@dataclass(frozen=True)
class MaterialFieldSettings:
    """Sizes of the material field."""

    # Lashes and lip edges: finer than the shape. 512 cells of a 0.36 m cube are 0.7 mm.
    grid: HashGridSettings = field(
        default_factory=lambda: HashGridSettings(log2_table_size=16, finest_resolution=512)
    )
    latent: int = 32  # numbers that describe an expression (the paper's)
    layers: int = 3  # of the transformer (the paper's)
    transformer_width: int = 64
    heads: int = 4
    width: int = 32  # of the point perceptron's two hidden layers


class MaterialField(torch.nn.Module):
    """K expression latents and a shared field: (points, base, expressions) -> materials."""

    def __init__(
        self,
        expressions: int,
        settings: MaterialFieldSettings,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ):
        super().__init__()
        width = settings.width
        self.latents = torch.nn.Parameter(
            torch.randn(expressions, settings.latent, generator=generator)
        )
        self.embed = linear(settings.latent, settings.transformer_width, generator)
        self.transformer = set_transformer(
            settings.layers, settings.transformer_width, settings.heads, generator
        )
        self.modulate = linear(settings.transformer_width, 4 * width, generator)
        with torch.no_grad():
            # One skin for all expressions to start with; blushes and creases part them later.
            self.modulate.weight.mul_(0.1)
        grid = make_hash_grid(settings.grid, generator, device)
        self.first = linear(grid.width + 3, width, generator)
        self.second = linear(width, width, generator)
        self.last = zero_linear(width, CHANNELS)
        self.to(device)
        self.grid = grid

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Groups for torch's Adam: the grid at the rate, the dense layers at a tenth of it.

        The method's 0.01 suits a table of which a step touches little; at three times that, dense
        layers jump so far that the sigmoid saturates and nothing brings the colours back.
        """
        grid = list(self.grid.parameters())
        known = {id(parameter) for parameter in grid}
        dense = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return [
            {"params": grid, "lr": learning_rate},
            {"params": dense, "lr": 0.1 * learning_rate},
        ]

    def locate(self, points: torch.Tensor) -> LocatedPoints:
        """Prepare points (N,3) that will be asked for at many steps."""
        return self.grid.locate(points)

    def residual(
        self, points: torch.Tensor | LocatedPoints, expressions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What is added to the base values' logits: (k,N,5), exactly zero at the start.

        points: (N,3) canonical positions in units. expressions: (k,) int64, None means all K. The
        transformer always sees the whole set: a subset's values are the same rows of the whole.
        """
        located = points if isinstance(points, LocatedPoints) else self.locate(points)
        tokens = self.transformer(self.embed(self.latents)[None])[0]
        if expressions is not None:
            tokens = tokens[expressions]
        scale_1, shift_1, scale_2, shift_2 = self.modulate(tokens).chunk(4, dim=-1)
        features = torch.cat([self.grid(located), 2 * located.points], dim=-1)
        layers = (
            *modulated(self.first, scale_1, shift_1),
            *modulated(self.second, scale_2, shift_2),
            self.last.weight,
            self.last.bias,
        )
        return perceptron(features, *layers)

    def forward(
        self,
        points: torch.Tensor | LocatedPoints,
        base: torch.Tensor,
        expressions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Materials (k,N,5) in (0,1): sRGB albedo (3), roughness, metallic.

        base: (5,) or (N,5) values in [0,1], kept MARGIN away from both ends; at the start the
        result is the base. Points and expressions as in `residual`.
        """
        return add_residual(base, self.residual(points, expressions))


def add_residual(base: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """Materials in (0,1) from base values in [0,1], kept MARGIN away from both ends, and what is
    added to their logits; shapes that broadcast."""
    return torch.sigmoid(torch.logit(base.clamp(MARGIN, 1 - MARGIN)) + residual)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions as displacements of the canonical surface.

A transformer runs over the *set of expression latents*, not over points: expressions share what
they have in common, and each one's output modulates (FiLM, Perez et al. 2018) a small perceptron
over hash grid features that all expressions share. Points are many and expressions few, so a
point costs what the perceptron costs. The result is a residual: the template's own displacement
for the expression is added by the caller.
"""

from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class DeformationFieldSettings:
    """Sizes of the deformation field."""

    # Expressions bend skin over centimetres: coarser than the identity's grid.
    grid: HashGridSettings = field(
        default_factory=lambda: HashGridSettings(log2_table_size=14, finest_resolution=64)
    )
    latent: int = 32  # numbers that describe an expression (the paper's)
    layers: int = 4  # of the transformer (the paper's)
    transformer_width: int = 64
    heads: int = 4
    width: int = 32  # of the point perceptron's two hidden layers
    scale: float = 0.05  # units of displacement for a last-layer output of one


class DeformationField(torch.nn.Module):
    """K expression latents and a shared field: (points, expressions) -> displacements."""

    def __init__(
        self,
        expressions: int,
        settings: DeformationFieldSettings,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ):
        super().__init__()
        width = settings.width
        self.settings = settings
        self.latents = torch.nn.Parameter(
            torch.randn(expressions, settings.latent, generator=generator)
        )
        self.embed = linear(settings.latent, settings.transformer_width, generator)
        self.transformer = set_transformer(
            settings.layers, settings.transformer_width, settings.heads, generator
        )
        self.modulate = linear(settings.transformer_width, 4 * width, generator)
        with torch.no_grad():
            # Expressions start out nearly alike and part as the guidance tells them to.
            self.modulate.weight.mul_(0.1)
        grid = make_hash_grid(settings.grid, generator, device)
        self.first = linear(grid.width + 3, width, generator)
        self.second = linear(width, width, generator)
        self.last = zero_linear(width, 3)
        self.to(device)
        self.grid = grid

    def locate(self, points: torch.Tensor) -> LocatedPoints:
        """Prepare points (N,3) that will be asked for at many steps."""
        return self.grid.locate(points)

    def forward(
        self, points: torch.Tensor | LocatedPoints, expressions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Residual displacement (k,N,3) in units, exactly zero at the start, not clamped.

        points (N,3) on the canonical surface. expressions (k,) int64 picks a subset of the K, so
        that a step pays for what it shows; None means all. The transformer always sees the whole
        set: a subset's values are the same rows of the whole.
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
        return self.settings.scale * perceptron(features, *layers)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs as layers of paint on a head, at its vertices and anywhere between them.

Vertices are some 2 mm apart, pixels of a photograph less than one: brows, lashes and the edges of
lips are as fine as the pictures only where the pictures themselves are asked.
"""

from dataclasses import dataclass

import numpy as np

from idto3d.identity.bilinear import bilinear
from idto3d.texture.paint import Look, paint_head

# Exponent of the weights: the photo that sees a part best decides, since poses are not good enough
# for a mean of several to stay sharp at the brows.
SHARPNESS = 8


@dataclass(frozen=True)
class Places:
    """N places on the surface."""

    corners: np.ndarray  # (N,3) int64, the vertices of each one's face
    barycentric: np.ndarray  # (N,3), add to one

    @staticmethod
    def at_vertices(count: int) -> "Places":
        return Places(
            np.repeat(np.arange(count)[:, None], 3, axis=1), np.tile([1.0, 0.0, 0.0], (count, 1))
        )

    def between(self, values: np.ndarray) -> np.ndarray:
        """Values of the vertices (V,...) at the places (N,...)."""
        weights = self.barycentric.reshape(*self.barycentric.shape, *[1] * (values.ndim - 1))
        return (values[self.corners] * weights).sum(axis=1)


@dataclass(frozen=True)
class Layer:
    """A photograph laid on V vertices."""

    pixels: np.ndarray  # (H,W,3) uint8 sRGB
    points: np.ndarray  # (V,2) pixels, x right and y down
    light: np.ndarray  # (V,3) linear, what the albedo was multiplied by
    weight: np.ndarray  # (V,) in [0,1], how well it is seen

    def albedo(self, places: Places) -> np.ndarray:
        """(N,3) sRGB: the photo without its light."""
        seen = bilinear(self.pixels, places.between(self.points)) / 255.0
        return to_srgb(to_linear(seen) / places.between(self.light))


@dataclass(frozen=True)
class LaidColours:
    """Paint on V vertices of a head and the photographs over it."""

    positions: np.ndarray  # (V,3) units
    marks: np.ndarray  # (68,3) landmarks
    part: np.ndarray  # (V,) codes of texture.paint
    front: np.ndarray  # (V,) in [0,1], how far skin faces forward
    eyes: np.ndarray  # (2,3) centres of the eyeballs
    look: Look
    layers: tuple[Layer, ...]
    trusted: np.ndarray  # (V,) in [0,1], how much of the photographs shows

    def albedo(self, places: Places) -> np.ndarray:
        """(N,3) sRGB of paint and photographs together."""
        painted = paint_head(
            places.between(self.positions),
            self.marks,
            self.part[places.corners[:, 0]],
            places.between(self.front),
            self.eyes,
            self.look,
        ).albedo
        colour, _ = blend(
            np.stack([layer.albedo(places) for layer in self.layers]),
            np.stack([places.between(layer.weight) for layer in self.layers]),
            painted,
        )
        trusted = places.between(self.trusted)[:, None]
        return np.clip(painted + (colour - painted) * trusted, 0.0, 1.0)


def blend(
    colours: np.ndarray, weights: np.ndarray, painted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean (N,3) of photos (P,N,3), and how far they agree on it (N,), 1 for fully.

    weights: (P,N). Where all are zero the mean is `painted` (N,3).
    """
    strong = weights**SHARPNESS
    total = strong.sum(axis=0)
    mean = (colours * strong[..., None]).sum(0) / np.maximum(total, 1e-6)[:, None]
    spread = (((colours - mean) ** 2).mean(-1) * strong).sum(0) / np.maximum(total, 1e-6)
    return np.where(total[:, None] > 1e-6, mean, painted), np.exp(-spread / 0.01)


def to_linear(colour: np.ndarray) -> np.ndarray:
    """sRGB to linear (IEC 61966-2-1)."""
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def to_srgb(colour: np.ndarray) -> np.ndarray:
    """Linear to sRGB, cut to [0,1]."""
    clipped = np.clip(colour, 0.0, 1.0)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)


def triple(colour: np.ndarray) -> tuple[float, float, float]:
    """A colour (3,) as plain numbers."""
    red, green, blue = (float(value) for value in colour)
    return red, green, blue

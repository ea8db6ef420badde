# SPDX-License-Identifier: GPL-3.0-or-later
"""Intrinsic images of a head in a photograph: its normals, its albedo, and where it is.

The pictures behind a picture (Barrow and Tenenbaum, "Recovering intrinsic scene characteristics
from images", 1978), found by a small network with skip connections (Ronneberger et al., "U-Net",
2015). It is trained on synthetic people only (`idto3d.training.intrinsic_images`), so it carries
no photograph's licence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from idto3d.assets import ASSETS
from idto3d.identity.bilinear import bilinear
from idto3d.identity.layers import Residual, convolution, read_weights

WEIGHTS = ASSETS / "intrinsic_images.safetensors"
CHIP_SIZE = 128  # pixels that go in
SIZE = 64  # pixels that come out
# Below and above, the network's own idea of its error is not believed.
LOG_VARIANCE = (-7.0, 1.0)


@dataclass(frozen=True)
class Square:
    """A square of a photo, in pixels, x right and y down, 0 at the first pixel's centre."""

    centre: np.ndarray  # (2,)
    side: float

    def reduced(self, factor: int) -> "Square":
        """The same place after the photo's pixels were averaged in blocks of factor²."""
        return Square((self.centre + 0.5) / factor - 0.5, self.side / factor)


@dataclass(frozen=True)
class Seen:
    """What the network sees at N places of a photo."""

    normal: np.ndarray  # (N,3) unit, camera space: x right, y up, z to the camera
    variance: np.ndarray  # (N,) of each component of the normal; infinite outside the square
    albedo: np.ndarray  # (N,3) sRGB
    on_head: np.ndarray  # (N,) in [0,1], head against background


@dataclass(frozen=True)
class IntrinsicImages:
    """What the network sees in a square of a photo; H = W = SIZE."""

    square: Square
    normal: np.ndarray  # (H,W,3) float32 unit, camera space
    variance: np.ndarray  # (H,W) float32 of each component of the normal
    albedo: np.ndarray  # (H,W,3) float32 sRGB
    on_head: np.ndarray  # (H,W) float32 in [0,1]

    def reduced(self, factor: int) -> "IntrinsicImages":
        """Those of the photo after its pixels were averaged in blocks of factor²."""
        return replace(self, square=self.square.reduced(factor))

    def at(self, points: np.ndarray) -> Seen:
        """At points (N,2), pixels of the photo."""
        cells = ((points - self.square.centre) / self.square.side + 0.5) * SIZE - 0.5
        inside = ((cells > 1) & (cells < SIZE - 2)).all(axis=1)
        joined = np.concatenate(
            [self.normal, self.variance[..., None], self.albedo, self.on_head[..., None]], axis=-1
        )
        values = bilinear(joined, cells)
        length = np.linalg.norm(values[:, :3], axis=1, keepdims=True)
        return Seen(
            values[:, :3] / np.maximum(length, 1e-6),
            np.where(inside, values[:, 3], np.inf),
            values[:, 4:7],
            values[:, 7],
        )


def together(seen: Sequence[Seen]) -> Seen:
    """What several squares of a photo show of the same N places, the surest most."""
    weight = np.stack([1.0 / np.maximum(each.variance, 1e-6) for each in seen])
    total = np.maximum(weight.sum(axis=0), 1e-12)
    share = weight / total
    normal = sum(w[:, None] * each.normal for w, each in zip(share, seen, strict=True))
    return Seen(
        normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6),
        # Two views of one photo err alike: the variance stays that of the better one.
        np.min([each.variance for each in seen], axis=0),
        np.sum([w[:, None] * each.albedo for w, each in zip(share, seen, strict=True)], axis=0),
        np.sum([w * each.on_head for w, each in zip(share, seen, strict=True)], axis=0),
    )


class IntrinsicNet(nn.Module):
    """(B,6,128,128) to (B,8,64,64): normal, log variance, albedo, mask.

    Goes in: a chip of the photo, sRGB in [0,1], and the normals of the fitted template there, zero
    beside it. The guess shows where the head is and how it is turned; the photo corrects it.
    The normal is of unit length, albedo in [0,1], the mask a logit.
    """

    # Channels of each level, half the size of the one before, and how often each is refined.
    WIDTHS = (24, 48, 88, 128, 160)
    BLOCKS = (1, 1, 2, 2, 1)

    def __init__(self) -> None:
        super().__init__()
        first, steps = self.WIDTHS[0], list(zip(self.WIDTHS, self.WIDTHS[1:], strict=False))
        self.stem = nn.Sequential(convolution(6, first, 5, 2), Residual(first))
        self.down = nn.ModuleList(
            nn.Sequential(convolution(a, b, 3, 2), *(Residual(b) for _ in range(blocks)))
            for (a, b), blocks in zip(steps, self.BLOCKS[1:], strict=True)
        )
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in steps)
        self.up = nn.ModuleList(convolution(a, a, 3, 1) for a, _ in steps)
        self.out = nn.Sequential(convolution(first, 32, 3, 1), nn.Conv2d(32, 8, 3, padding=1))

    def forward(self, joined: Tensor) -> Tensor:
        levels = [self.stem(torch.cat([2 * joined[:, :3] - 1, joined[:, 3:]], dim=1))]
        for layer in self.down:
            levels.append(layer(levels[-1]))
        x = levels.pop()
        for narrow, join in zip(reversed(self.narrow), reversed(self.up), strict=True):
            grown = functional.interpolate(narrow(x), scale_factor=2.0, mode="bilinear")
            x = join(levels.pop() + grown)
        out = self.out(x)
        return torch.cat(
            [
                functional.normalize(out[:, :3], dim=1, eps=1e-4),
                out[:, 3:4].clamp(*LOG_VARIANCE),
                out[:, 4:7].sigmoid(),
                out[:, 7:],
            ],
            dim=1,
        )


def mirror(images: Tensor) -> Tensor:
    """The network's images (B,8,H,W) of the mirrored chips to those of the chips, and back."""
    return torch.cat([-images[:, :1], images[:, 1:]], dim=1).flip(-1)


def cut(image: np.ndarray, square: Square) -> np.ndarray:
    """The chip (128,128,3) uint8 of a photo (H,W,3) uint8; beyond its edge the edge goes on."""
    factor = int(square.side // (2 * CHIP_SIZE))
    if factor > 1:
        image = np.asarray(Image.fromarray(image).reduce(factor))
        square = square.reduced(factor)
    half = square.side / 2
    low = np.floor(square.centre - half - 2).astype(int)
    high = np.ceil(square.centre + half + 3).astype(int)
    rows = np.clip(np.arange(low[1], high[1]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(low[0], high[0]), 0, image.shape[1] - 1)
    corner = square.centre - half + 0.5 - low
    part = Image.fromarray(image[rows[:, None], columns])
    box = (*corner, *(corner + square.side))
    return np.asarray(part.resize((CHIP_SIZE, CHIP_SIZE), Image.Resampling.BILINEAR, box))


def find_intrinsic_images(
    image: np.ndarray,
    squares: Sequence[Square],
    guesses: Sequence[np.ndarray],
    weights: Path = WEIGHTS,
) -> list[IntrinsicImages]:
    """The intrinsic images of squares of one photo; some 15 ms each.

    Args:
        image: (H,W,3) uint8, sRGB.
        squares: each around the head or the face.
        guesses: for each square the fitted template's normals there (CHIP_SIZE,CHIP_SIZE,3),
            camera space, zero beside it.
        weights: file written by `idto3d.training.intrinsic_images`.

    Raises UserError when the weights are missing or damaged.
    """
    chips = torch.from_numpy(np.stack([cut(image, square) for square in squares])) / 255.0
    guess = torch.from_numpy(np.stack(guesses)).to(chips)
    chips = torch.cat([chips, guess], dim=-1).permute(0, 3, 1, 2).contiguous()
    mirrored_chips = torch.cat([chips[:, :3], -chips[:, 3:4], chips[:, 4:]], dim=1).flip(-1)
    network = load_network(weights)
    with torch.no_grad():
        # The mean over a face and its mirror image errs less than either.
        straight, mirrored = network(chips), mirror(network(mirrored_chips))
    normal = functional.normalize(straight[:, :3] + mirrored[:, :3], dim=1)
    variance = 0.5 * (straight[:, 3].exp() + mirrored[:, 3].exp())
    variance = variance + ((straight[:, :3] - mirrored[:, :3]) ** 2).mean(dim=1) / 4
    albedo = 0.5 * (straight[:, 4:7] + mirrored[:, 4:7])
    on_head = (0.5 * (straight[:, 7] + mirrored[:, 7])).sigmoid()
    return [
        IntrinsicImages(
            square,
            normal[row].permute(1, 2, 0).numpy(),
            variance[row].numpy(),
            albedo[row].permute(1, 2, 0).numpy(),
            on_head[row].numpy(),
        )
        for row, square in enumerate(squares)
    ]


@cache
def load_network(path: Path) -> IntrinsicNet:
    """The trained network in evaluation mode. Raises UserError."""
    return read_weights(IntrinsicNet(), path, "network of intrinsic images")

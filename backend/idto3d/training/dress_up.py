# SPDX-License-Identifier: GPL-3.0-or-later
"""What rendered faces lack, painted on their chips: teeth in open mouths, fringes, plucked brows.

Networks that never saw them take a fringe's edge for brows and a grin's teeth for nothing.
Pictures are (B,3,S,S) float32 sRGB, points (B,68,2) in their pixels, 0 at the first one's centre.
"""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from idto3d.head.template import (
    BROW_LEFT,
    BROW_RIGHT,
    EYE_LEFT,
    EYE_RIGHT,
    LIPS_INNER,
    OUTER_EYES,
)

TEETH_SHARE, FRINGE_SHARE, PLUCKED_SHARE = 0.7, 0.25, 0.3  # of the pictures
# A mouth less open than so much of the outer eyes' distance shows no teeth.
LEAST_OPEN = 0.03
TEETH_ACROSS = 8  # that show between the corners
TOOTH = np.array([0.93, 0.9, 0.84])  # sRGB in white light
DETAIL = 4  # masks are drawn so many times as large


def dress_up(image: Tensor, points: Tensor, random: np.random.Generator) -> Tensor:
    """Pictures with teeth, fringes and plucked brows on some."""
    pixels = image.permute(0, 2, 3, 1).contiguous().numpy().copy()
    for row, marks in enumerate(points.numpy().astype(float)):
        eyes = float(np.linalg.norm(marks[OUTER_EYES[0]] - marks[OUTER_EYES[1]]))
        if random.random() < PLUCKED_SHARE:
            pixels[row] = _pluck(pixels[row], marks, eyes, random)
        if random.random() < TEETH_SHARE:
            pixels[row] = _show_teeth(pixels[row], marks, eyes, random)
        if random.random() < FRINGE_SHARE:
            pixels[row] = _cut_fringe(pixels[row], marks, eyes, random)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _mask(size: int, polygon: np.ndarray, soft: float = 0.5) -> np.ndarray:
    """(size,size,1) in [0,1]: a polygon (N,2) with edges soft over so many pixels."""
    large = Image.new("L", (size * DETAIL, size * DETAIL))
    corners = [(float(x), float(y)) for x, y in (polygon + 0.5) * DETAIL]
    ImageDraw.Draw(large).polygon(corners, fill=255)
    blurred = large.filter(ImageFilter.GaussianBlur(soft * DETAIL)).reduce(DETAIL)
    return np.asarray(blurred, dtype=np.float32)[..., None] / 255.0


def _show_teeth(
    pixels: np.ndarray, marks: np.ndarray, eyes: float, random: np.random.Generator
) -> np.ndarray:
    lips = marks[LIPS_INNER]
    upper, lower = lips[[0, 1, 2, 3, 4]], lips[[0, 7, 6, 5, 4]]
    height = np.linalg.norm(upper - lower, axis=1).max()
    if height < LEAST_OPEN * eyes:
        return pixels
    size = len(pixels)
    # The mouth's light, as its skin shows it; teeth lie deeper than lips.
    light = np.median(_around(pixels, marks[[31, 35, 5, 11]]), axis=0)
    light = np.clip(0.4 + 0.6 * light / max(float(light.max()), 1e-3), 0, 1)
    colour = TOOTH * light * random.uniform(0.55, 1.0)
    behind = colour * random.uniform(0.1, 0.5) * np.array([1.0, 0.6, 0.55])
    inside = _mask(size, np.concatenate([upper, lower[::-1]]))
    out = pixels * (1 - inside) + behind.astype(np.float32) * inside
    # Upper teeth reach down by what a tooth is long; a small gap shows them alone.
    length = min(1.0, random.uniform(0.06, 0.12) * eyes / height)
    rows = [(upper, upper + (lower - upper) * length)]
    if random.random() < 0.4:
        reach = min(1.0, random.uniform(0.03, 0.07) * eyes / height)
        rows.append((lower + (upper - lower) * reach, lower))
    for top, bottom in rows:
        band = _mask(size, np.concatenate([top, bottom[::-1]])) * inside
        along = (np.arange(size) - upper[0, 0]) / max(float(np.ptp(upper[:, 0])), 1.0)
        gaps = 1 - 0.25 * np.exp(-(((along * TEETH_ACROSS + 0.5) % 1 - 0.5) ** 2) / 0.01)
        # Towards the corners teeth lie in the dark.
        gaps = gaps * np.clip(1.2 - 1.6 * np.abs(along - 0.5), 0.2, 1)
        shown = (colour * gaps[None, :, None]).astype(np.float32)
        out = out * (1 - band) + shown * band
    return out


def _cut_fringe(
    pixels: np.ndarray, marks: np.ndarray, eyes: float, random: np.random.Generator
) -> np.ndarray:
    """Hair down to a ragged line between the hairline and the eyes, and the shade under it."""
    size = len(pixels)
    ends = marks[[17, 26]]
    across = (ends[1] - ends[0]) / max(float(np.linalg.norm(ends[1] - ends[0])), 1e-3)
    up = np.array([across[1], -across[0]])
    steps = np.linspace(-0.45, 1.45, 40)
    wave = np.interp(np.linspace(0, 1, 40), np.linspace(0, 1, 9), random.normal(0, 0.035, 9))
    ragged = wave + random.normal(0, 0.012, 40) + random.uniform(-0.15, 0.15) * (steps - 0.5)
    brow = marks[17:27].mean(axis=0)
    above = random.uniform(-0.05, 0.35)
    start = brow - 0.5 * (ends[1] - ends[0])
    line = start + steps[:, None] * (ends[1] - ends[0])
    line = line + ((above + ragged) * eyes)[:, None] * up
    far = line[[-1, 0]] + 3 * eyes * up
    hair = _mask(size, np.concatenate([line, far]), random.uniform(0.4, 1.2))
    shade = _mask(size, np.concatenate([line - 0.06 * eyes * up, far]), 0.04 * eyes)
    dark = random.uniform(0.05, 0.75)
    colour = np.clip(dark * np.array([1.0, *(1 - random.uniform(0.05, 0.4, 2).cumsum())]), 0, 1)
    # Strands run down; where they do is the same all along one of them.
    rows, columns = np.mgrid[0:size, 0:size]
    offset = (columns - line[0, 0]) * across[0] + (rows - line[0, 1]) * across[1]
    strands = np.interp(
        offset + 1.5 * np.sin(rows / 9), np.arange(-size, 2 * size, 1.7),
        random.normal(1.0, 0.22, len(np.arange(-size, 2 * size, 1.7))),
    )  # fmt: skip
    painted = np.clip(colour * strands[..., None], 0, 1).astype(np.float32)
    out = pixels * (1 - np.float32(random.uniform(0.1, 0.5)) * shade)
    return out * (1 - hair) + painted * hair


def _pluck(
    pixels: np.ndarray, marks: np.ndarray, eyes: float, random: np.random.Generator
) -> np.ndarray:
    """Brows paler, or thinner from above or from below, by the skin between them and the lids."""
    pale, thin = random.uniform(0.3, 0.95), random.uniform(-1, 1)
    out = pixels
    for brow, lids in ((BROW_RIGHT, EYE_RIGHT), (BROW_LEFT, EYE_LEFT)):
        line, lid = marks[brow], marks[lids]
        down = lid.mean(axis=0) - line.mean(axis=0)
        skin = np.median(_around(pixels, line[1:4] + 0.55 * down), axis=0).astype(np.float32)
        width = 0.055 * eyes * down / max(float(np.linalg.norm(down)), 1e-3)
        middle = line + 0.3 * width + thin * 0.5 * width
        band = np.concatenate([middle - 1.2 * width, (middle + 1.2 * width)[::-1]])
        weight = np.float32(pale) * _mask(len(pixels), band, 0.02 * eyes)
        out = out * (1 - weight) + skin * weight
    return out


def _around(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,3) colours at places (N,2), at the edge for those beyond it."""
    cells = np.clip(np.round(places).astype(int), 0, len(pixels) - 1)
    return pixels[cells[:, 1], cells[:, 0]]

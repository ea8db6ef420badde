# SPDX-License-Identifier: GPL-3.0-or-later
"""From rendered faces to chips as hard as photographs: turned, shifted, recoloured, spoilt."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from idto3d.identity.landmarks import CHIP_LANDMARKS, CHIP_SIZE, mirror, similarity
from idto3d.training.dataset import FIVE_POINTS

# A detector's error in each of the five points, as share of the distance of the outer eye corners.
FIVE_POINT_ERROR = 0.035
# Beyond what that error does, in degrees, natural logarithm and chip pixels (deviations).
TURN, SCALE, SHIFT = 5.0, 0.04, 2.0


def augment(
    pictures: np.ndarray, points: np.ndarray, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures (B,S,S,4) uint8 and points (B,68,2) to chips (B,3,96,96) and points (B,68,2)."""
    chips, moved = _cut(pictures, points, random)
    image = _backgrounds(chips, random)
    image = _colours(image, random)
    image = _light(image, random)
    image = _occlude(image, random)
    image = _resolution(image, random)
    image = _noise(image, random)
    image = _jpeg(image, random)
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


def _backgrounds(chips: Tensor, random: np.random.Generator) -> Tensor:
    """Behind half of the heads noise of several sizes, or what is in another picture."""
    count = len(chips)
    texture = _blobs(count, random)
    other = chips[random.permutation(count), :3].roll(CHIP_SIZE // 2, dims=-1)
    kind = random.random(count)
    image, on_head = chips[:, :3], chips[:, 3:]
    behind = torch.where(_rows(kind < 0.35), texture, torch.where(_rows(kind < 0.6), other, image))
    return image * on_head + behind * (1 - on_head)


def _colours(image: Tensor, random: np.random.Generator) -> Tensor:
    """Exposure, contrast, gamma, white balance, saturation."""
    count = len(image)

    def factor(spread: float, channels: int = 1) -> Tensor:
        values = np.exp(random.normal(0, spread, (count, channels, 1, 1)))
        return torch.from_numpy(values.astype(np.float32))

    image = image.clamp(0.001, 1) ** factor(0.25)
    image = image * factor(0.2) * factor(0.08, 3)
    grey = image.mean(dim=1, keepdim=True)
    saturation = torch.from_numpy(random.uniform(0, 1.5, (count, 1, 1, 1)).astype(np.float32))
    saturation = saturation * _rows(random.random(count) > 0.12)
    image = grey + (image - grey) * saturation
    middle = image.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (image - middle) * factor(0.25)


def _light(image: Tensor, random: np.random.Generator) -> Tensor:
    """A soft shade across half of the faces: light that our few lamps don't cast."""
    shade = torch.exp(0.6 * (_blobs(len(image), random, (2, 5)) - 0.5).mean(1, keepdim=True) * 2)
    return torch.where(_rows(random.random(len(image)) < 0.5), image * shade, image)


def _occlude(image: Tensor, random: np.random.Generator) -> Tensor:
    """Patches over a third of the faces: hands, hair, glasses as far as a network is concerned."""
    rows, columns = torch.meshgrid(torch.arange(CHIP_SIZE), torch.arange(CHIP_SIZE), indexing="ij")
    texture = _blobs(len(image), random)
    for row in np.flatnonzero(random.random(len(image)) < 0.35):
        for _ in range(random.integers(1, 4)):
            x, y = random.uniform(0, CHIP_SIZE, 2)
            wide, high = random.uniform(4, 24, 2)
            inside = ((columns - x) / wide).abs() ** 2 + ((rows - y) / high).abs() ** 2 < 1
            if random.random() < 0.3:
                inside = ((columns - x).abs() < wide) & ((rows - y).abs() < high)
            flat = torch.from_numpy(random.uniform(0, 1, (3, 1, 1)).astype(np.float32))
            patch = flat if random.random() < 0.5 else texture[row]
            image[row] = torch.where(inside, patch, image[row])
    # Hair over the forehead and the temples, or a scarf under the chin.
    for row in np.flatnonzero(random.random(len(image)) < 0.15):
        slope, edge = random.uniform(-0.6, 0.6), random.uniform(8, 30)
        line = rows + slope * (columns - CHIP_SIZE / 2)
        inside = line < edge if random.random() < 0.7 else line > CHIP_SIZE - 0.7 * edge
        image[row] = torch.where(inside, texture[row] * 0.6, image[row])
    return image


def _resolution(image: Tensor, random: np.random.Generator) -> Tensor:
    """Half of the pictures softer: the batch is scaled down and up once, and mixed in part."""
    side = int(random.integers(36, 90))
    small = functional.interpolate(image, size=(side, side), mode="bilinear", antialias=True)
    soft = functional.interpolate(small, size=(CHIP_SIZE, CHIP_SIZE), mode="bilinear")
    return torch.where(_rows(random.random(len(image)) < 0.5), soft, image)


def _noise(image: Tensor, random: np.random.Generator) -> Tensor:
    strength = np.abs(random.normal(0, 0.03, (len(image), 1, 1, 1))).astype(np.float32)
    noise = random.standard_normal(image.shape, dtype=np.float32)
    return (image + torch.from_numpy(noise * strength)).clamp(0, 1)


def _jpeg(image: Tensor, random: np.random.Generator) -> Tensor:
    """A quarter of the pictures through JPEG."""
    for row in np.flatnonzero(random.random(len(image)) < 0.25):
        pixels = (image[row].permute(1, 2, 0) * 255).to(torch.uint8).numpy()
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=int(random.integers(15, 90)))
        read = np.asarray(Image.open(buffer).convert("RGB"), dtype=np.float32)
        image[row] = torch.from_numpy(read / 255.0).permute(2, 0, 1)
    return image


def _blobs(count: int, random: np.random.Generator, sizes: tuple[int, ...] = (3, 12, 40)) -> Tensor:
    """(count,3,96,96) in [0,1]: random colours at several sizes."""
    total = torch.zeros(count, 3, CHIP_SIZE, CHIP_SIZE)
    for side in sizes:
        small = random.random((count, 3, side, side), dtype=np.float32)
        total += functional.interpolate(
            torch.from_numpy(small), size=(CHIP_SIZE, CHIP_SIZE), mode="bilinear"
        )
    return total / len(sizes)


def _rows(mask: np.ndarray) -> Tensor:
    """(B,) bool to (B,1,1,1)."""
    return torch.from_numpy(mask)[:, None, None, None]

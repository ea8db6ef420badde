# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean renders to pictures as hard as photographs: behind, across and over the head all sorts.

Pictures are (B,3,S,S) float32 sRGB, in [0,1] before and after; S is the size of a chip, and the
strengths are meant for chips of some hundred pixels.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional


def spoil(image: Tensor, on_head: Tensor, random: np.random.Generator) -> Tensor:
    """Pictures (B,3,S,S) with heads where on_head (B,1,S,S) is 1, with all that can go wrong."""
    image = _backgrounds(image, on_head, random)
    image = _colours(image, random)
    image = _light(image, random)
    image = _occlude(image, random)
    image = _resolution(image, random)
    image = _noise(image, random)
    return _jpeg(image, random)


def _backgrounds(image: Tensor, on_head: Tensor, random: np.random.Generator) -> Tensor:
    """Behind half of the heads noise of several sizes, or what is in another picture."""
    count, size = len(image), image.shape[-1]
    texture = _blobs(count, size, random)
    other = image[random.permutation(count)].roll(size // 2, dims=-1)
    kind = random.random(count)
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
    shade = torch.exp(
        0.6 * (_blobs(len(image), image.shape[-1], random, (2, 5)) - 0.5).mean(1, keepdim=True) * 2
    )
    return torch.where(_rows(random.random(len(image)) < 0.5), image * shade, image)


def _occlude(image: Tensor, random: np.random.Generator) -> Tensor:
    """Patches over a third of the faces: hands, hair, glasses as far as a network is concerned."""
    size = image.shape[-1]
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    texture = _blobs(len(image), size, random)
    for row in np.flatnonzero(random.random(len(image)) < 0.35):
        for _ in range(random.integers(1, 4)):
            x, y = random.uniform(0, size, 2)
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
        line = rows + slope * (columns - size / 2)
        inside = line < edge if random.random() < 0.7 else line > size - 0.7 * edge
        image[row] = torch.where(inside, texture[row] * 0.6, image[row])
    return image


def _resolution(image: Tensor, random: np.random.Generator) -> Tensor:
    """Half of the pictures softer: the batch is scaled down and up once, and mixed in part."""
    side = int(random.integers(36, 90))
    small = functional.interpolate(image, size=(side, side), mode="bilinear", antialias=True)
    soft = functional.interpolate(small, size=image.shape[-2:], mode="bilinear")
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


def _blobs(
    count: int, size: int, random: np.random.Generator, sizes: tuple[int, ...] = (3, 12, 40)
) -> Tensor:
    """(count,3,size,size) in [0,1]: random colours at several sizes."""
    total = torch.zeros(count, 3, size, size)
    for side in sizes:
        small = random.random((count, 3, side, side), dtype=np.float32)
        total += functional.interpolate(torch.from_numpy(small), size=(size, size), mode="bilinear")
    return total / len(sizes)


def _rows(mask: np.ndarray) -> Tensor:
    """(B,) bool to (B,1,1,1)."""
    return torch.from_numpy(mask)[:, None, None, None]

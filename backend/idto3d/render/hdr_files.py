# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment maps from disk: Radiance .hdr by our own reader, .exr by the OpenEXR wheel."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.errors import UserError

from .panorama import mean_luminance


def load_environment(path: str | Path) -> Tensor:
    """A linear equirectangular map (H,W,3) float32 with mean luminance one.

    Raises UserError for what is not a readable equirectangular .hdr or .exr picture.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".hdr", ".exr"):
        raise UserError(f"{path.name} is not an .hdr or .exr file. Choose an HDR environment map.")
    try:
        pixels = _read_radiance(path.read_bytes()) if suffix == ".hdr" else _read_exr(path)
    except (OSError, ValueError, IndexError, KeyError, RuntimeError) as error:
        raise UserError(
            f"The environment map {path.name} could not be read ({error}). "
            "Save it again as .hdr or .exr."
        ) from error
    height, width = pixels.shape[:2]
    if width != 2 * height:
        raise UserError(
            f"The environment map {path.name} is {width} x {height} pixels, and an equirectangular "
            "map is twice as wide as high. Choose a full panorama."
        )
    # Broken exporters leave infinities in the sun and negative numbers next to it.
    pixels = np.nan_to_num(pixels, nan=0.0, posinf=65504.0, neginf=0.0).clip(0.0, 65504.0)
    environment = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))
    mean = mean_luminance(environment)
    if mean <= 0:
        raise UserError(f"The environment map {path.name} is black. Choose another one.")
    return environment / mean


def _read_radiance(data: bytes) -> NDArray[np.float32]:
    """Radiance RGBE (Ward 1991, 'Real Pixels'), the usual orientation, run-length coded or not."""
    header, _, rest = data.partition(b"\n\n")
    if not header.startswith(b"#?"):
        raise ValueError("no Radiance header")
    if b"FORMAT=" in header and b"FORMAT=32-bit_rle_rgbe" not in header:
        raise ValueError("not in RGBE format")
    resolution, _, body = rest.partition(b"\n")
    words = resolution.split()
    if len(words) != 4 or words[0] != b"-Y" or words[2] != b"+X":
        raise ValueError(f"unexpected orientation {resolution[:40]!r}")
    height, width = int(words[1]), int(words[3])
    if not (0 < height <= 16384 and 0 < width <= 32768):
        raise ValueError(f"unexpected size {width} x {height}")
    marker = bytes([2, 2, width >> 8, width & 255])
    if 8 <= width < 32768 and body[:4] == marker:
        rgbe = _decode_scanlines(body, height, width, marker)
    else:
        rgbe = np.frombuffer(body, np.uint8, count=height * width * 4).reshape(height, width, 4)
    exponent = rgbe[..., 3:].astype(np.int32)
    scale = np.where(exponent > 0, np.ldexp(1.0, exponent - (128 + 8)), 0.0)
    return ((rgbe[..., :3] + 0.5) * scale).astype(np.float32)


def _decode_scanlines(body: bytes, height: int, width: int, marker: bytes) -> NDArray[np.uint8]:
    """Each scanline: the marker, then the four channels one after the other as runs."""
    image = np.empty((height, 4, width), np.uint8)
    position = 0
    for row in range(height):
        if body[position : position + 4] != marker:
            raise ValueError(f"scanline {row} is damaged")
        position += 4
        for channel in range(4):
            line = bytearray()
            while len(line) < width:
                count = body[position]
                if count > 128:
                    line += body[position + 1 : position + 2] * (count - 128)
                    position += 2
                else:
                    line += body[position + 1 : position + 1 + count]
                    position += 1 + count
                if count == 0 or position > len(body):
                    raise ValueError(f"scanline {row} is damaged")
            if len(line) != width:
                raise ValueError(f"scanline {row} is damaged")
            image[row, channel] = np.frombuffer(line, np.uint8)
    return image.transpose(0, 2, 1)


def _read_exr(path: Path) -> NDArray[np.float32]:
    """The first part's R, G and B channels."""
    try:
        import OpenEXR
    except ImportError as error:
        raise UserError(
            "Reading .exr files needs the OpenEXR package. Install it with 'pip install OpenEXR', "
            "or save the map as .hdr."
        ) from error
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = file.channels()
        return np.stack([np.asarray(channels[name].pixels, np.float32) for name in "RGB"], -1)

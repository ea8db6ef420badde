# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment maps from disk, written here by an independent small encoder."""

import numpy as np
import pytest
import torch

from idto3d.errors import UserError
from idto3d.render.environment import load_environment
from idto3d.render.panorama import mean_luminance


def to_rgbe(pixels: np.ndarray) -> np.ndarray:
    """(H,W,3) float to (H,W,4) bytes: mantissas and one shared exponent."""
    peak = pixels.max(-1)
    mantissa, exponent = np.frexp(peak)
    scale = np.where(peak > 1e-32, mantissa * 256 / np.maximum(peak, 1e-32), 0)
    rgb = (pixels * scale[..., None]).astype(np.uint8)
    return np.concatenate([rgb, np.where(peak > 1e-32, exponent + 128, 0)[..., None]], -1).astype(
        np.uint8
    )


def encode_run_length(rgbe: np.ndarray) -> bytes:
    """New-style scanlines: runs of four or more, the rest literally."""
    height, width, _ = rgbe.shape
    out = bytearray()
    for row in range(height):
        out += bytes([2, 2, width >> 8, width & 255])
        for channel in range(4):
            line = rgbe[row, :, channel].tobytes()
            i = 0
            while i < width:
                run = 1
                while i + run < width and run < 127 and line[i + run] == line[i]:
                    run += 1
                if run >= 4:
                    out += bytes([128 + run, line[i]])
                    i += run
                else:
                    out += bytes([1, line[i]])
                    i += 1
    return bytes(out)


def picture() -> np.ndarray:
    pixels = np.random.default_rng(0).uniform(0.05, 1.0, (16, 32, 3)) ** 2
    pixels[:4] = (0.2, 0.4, 0.9)
    pixels[8, 5] = (900.0, 800.0, 700.0)
    return pixels


HEADER = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=1.0\n\n"


def write(path, body: bytes, header: bytes = HEADER, size: bytes = b"-Y 16 +X 32\n"):
    path.write_bytes(header + size + body)
    return path


@pytest.mark.parametrize("coding", ["flat", "run-length"])
def test_radiance_files(tmp_path, coding):
    rgbe = to_rgbe(picture())
    body = rgbe.tobytes() if coding == "flat" else encode_run_length(rgbe)
    loaded = load_environment(write(tmp_path / "map.hdr", body))
    expected = torch.from_numpy(picture()).float()
    expected = expected / mean_luminance(expected)
    assert loaded.dtype == torch.float32 and loaded.shape == (16, 32, 3)
    # One shared exponent: the error is relative to the largest channel.
    error = (loaded - expected).abs() / expected.amax(-1, keepdim=True)
    assert error.max() < 0.012


def test_openexr_files(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    pixels = picture().astype(np.float32)
    path = tmp_path / "map.exr"
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(header, {"RGB": pixels}).write(str(path))
    expected = torch.from_numpy(pixels)
    expected = expected / mean_luminance(expected)
    assert torch.allclose(load_environment(path), expected, rtol=1e-4)


def test_openexr_missing_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    path = tmp_path / "map.exr"
    path.write_bytes(b"v/1\x01")
    with pytest.raises(UserError, match="pip install OpenEXR"):
        load_environment(path)


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("map.hdr", dict(body=b""), "could not be read"),
        ("map.hdr", dict(header=b"P6\n\n"), "no Radiance header"),
        ("map.hdr", dict(size=b"+Y 16 +X 32\n"), "orientation"),
        ("map.hdr", dict(size=b"-Y 16 +X 16\n", body=bytes(4 * 256)), "twice as wide"),
        ("map.hdr", dict(body=bytes(4 * 16 * 32)), "black"),
        ("map.hdr", dict(body=encode_run_length(to_rgbe(picture()))[:-300]), "could not be read"),
        ("map.hdr", dict(body=bytes([2, 2, 0, 32]) + bytes(500)), "damaged"),
        ("map.png", dict(body=b"x"), "not an .hdr or .exr"),
    ],
)
def test_broken_files_give_a_sentence(tmp_path, name, change, message):
    arguments = {"body": to_rgbe(picture()).tobytes(), **change}
    with pytest.raises(UserError, match=message):
        load_environment(write(tmp_path / name, **arguments))


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="could not be read"):
        load_environment(tmp_path / "nothing.hdr")

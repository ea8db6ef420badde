# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of file that a camera, a scanner or a web page makes comes out as the same picture."""

import hashlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from idto3d.errors import UserError
from idto3d.identity.photos import read_photo


def difference(photo, expected) -> float:
    assert photo.pixels.shape == expected.shape
    assert photo.pixels.dtype == np.uint8
    return float(np.abs(photo.pixels.astype(int) - expected).mean())


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
def test_formats(tmp_path, portrait, name):
    Image.fromarray(portrait).save(tmp_path / name, quality=95)
    photo = read_photo(tmp_path / name)
    assert difference(photo, portrait) < 2.5
    assert photo.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert photo.name == name


def test_grey(tmp_path, portrait):
    grey = portrait.mean(axis=2).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert difference(read_photo(tmp_path / "a.png"), np.repeat(grey[..., None], 3, 2)) == 0


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, portrait, name):
    grey = portrait.mean(axis=2).astype(np.uint8)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / name)
    assert difference(read_photo(tmp_path / name), np.repeat(grey[..., None], 3, 2)) == 0


def test_sixteen_bit_colour(tmp_path, portrait):
    (tmp_path / "a.png").write_bytes(sixteen_bit_png(portrait.astype(np.uint16) * 257))
    assert difference(read_photo(tmp_path / "a.png"), portrait) < 0.5


def test_cmyk(tmp_path, portrait):
    Image.fromarray(portrait).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert difference(read_photo(tmp_path / "a.jpg"), portrait) < 4


def test_palette(tmp_path, portrait):
    Image.fromarray(portrait).quantize(256).save(tmp_path / "a.png")
    assert difference(read_photo(tmp_path / "a.png"), portrait) < 6


def test_transparency_becomes_white(tmp_path, portrait):
    alpha = np.full(portrait.shape[:2], 255, np.uint8)
    alpha[:100] = 0
    alpha[100:200] = 128
    Image.fromarray(np.dstack([portrait, alpha])).save(tmp_path / "a.png")
    pixels = read_photo(tmp_path / "a.png").pixels
    assert (pixels[:100] == 255).all()
    assert np.abs(pixels[100:200] - (portrait[100:200] * 0.5 + 127.5)).max() < 3
    np.testing.assert_array_equal(pixels[200:], portrait[200:])


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (3, lambda image: np.rot90(image, 2)),
        (6, lambda image: np.rot90(image, 1)),
        (8, lambda image: np.rot90(image, -1)),
        (2, lambda image: image[:, ::-1]),
    ],
)
def test_exif_orientation_is_honoured(tmp_path, portrait, orientation, stored):
    wide = portrait[:300]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored(wide))).save(
        tmp_path / "a.jpg", quality=95, exif=exif
    )
    assert difference(read_photo(tmp_path / "a.jpg"), wide) < 2.5


def test_colour_profile_is_converted(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    flat = Image.new("RGB", (64, 64), (200, 120, 90))
    # The same numbers mean what they say under sRGB's own profile ...
    flat.save(tmp_path / "srgb.png", icc_profile=srgb.tobytes())
    assert difference(read_photo(tmp_path / "srgb.png"), np.asarray(flat)) <= 1
    # ... and a profile that doesn't fit the picture's mode is passed over.
    flat.save(tmp_path / "lab.png", icc_profile=lab.tobytes())
    assert difference(read_photo(tmp_path / "lab.png"), np.asarray(flat)) == 0
    # A profile with the red and blue primaries exchanged exchanges red and blue.
    swapped = bytearray(srgb.tobytes())
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    flat.save(tmp_path / "swapped.png", icc_profile=bytes(swapped))
    pixel = read_photo(tmp_path / "swapped.png").pixels[0, 0].astype(int)
    assert np.abs(pixel - [90, 120, 200]).max() <= 2


def test_large_photos_are_reduced(tmp_path):
    Image.new("L", (4000, 200), 77).save(tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg").pixels.shape == (154, 3072, 3)


def test_small_photos_are_kept(tmp_path, portrait):
    Image.fromarray(portrait[:10, :10]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, portrait[:10, :10])


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match=r"There is no photo .*b\.jpg\. Check the path\."):
        read_photo(tmp_path / "b.jpg")


def test_folder(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        read_photo(tmp_path)


@pytest.mark.parametrize("content", [b"", b"Dear diary, today I took no photo.\n"])
def test_not_a_picture(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jpg is not a picture.*Give a JPEG"):
        read_photo(tmp_path / "a.jpg")


def test_heic_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x24ftypheic" + bytes(64))
    with pytest.raises(UserError, match="HEIC.*Save it as JPEG"):
        read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_truncated(tmp_path, portrait, name):
    Image.fromarray(portrait).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(UserError, match="is damaged or cut short|is not a picture"):
        read_photo(tmp_path / name)


def test_floating_point(tmp_path):
    Image.fromarray(np.ones((9, 9), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="floating-point"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_decompression_bomb_is_not_unfolded(tmp_path, side):
    (tmp_path / "a.png").write_bytes(png(side, side, 8, 0, b""))
    with pytest.raises(UserError, match="million pixels. Scale it down"):
        read_photo(tmp_path / "a.png")


def sixteen_bit_png(image: np.ndarray) -> bytes:
    """(H, W, 3) uint16 as PNG, which Pillow itself can't write."""
    height, width = image.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    return png(width, height, 16, 2, zlib.compress(rows, 1))


def png(width: int, height: int, bits: int, colour_type: int, data: bytes) -> bytes:
    """A PNG file from its compressed rows."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )

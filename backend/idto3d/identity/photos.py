# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a photograph, whatever a camera or a web page made of it, into plain sRGB pixels."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from idto3d.errors import UserError

# Only these decoders are tried: others of Pillow's start programs or read far more than pixels.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_FORMAT_NAMES = "JPEG, PNG, WebP, TIFF or BMP"
# A file of a few kB can claim to unfold to gigabytes; 120 million pixels are 360 MB.
_MAXIMUM_PIXELS = 120_000_000
# Enough for a 2K texture from a face that fills a third of the picture.
_MAXIMUM_SIDE = 3072


@dataclass(frozen=True)
class Photo:
    """A photograph as the program sees it."""

    path: Path  # the file that was given
    pixels: np.ndarray  # (H, W, 3) uint8 sRGB, upright, longest side at most 3072
    sha256: str  # of the file's bytes, in hex

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name


def read_photo(path: Path | str) -> Photo:
    """Read JPEG, PNG, WebP, TIFF or BMP: 8 or 16 bits, grey, RGB, CMYK, palette, with alpha.

    The EXIF orientation is applied, an embedded colour profile converted to sRGB, transparency
    laid on white, and a picture longer than 3072 pixels reduced.

    Raises:
        UserError: no such file, a folder, not a picture, truncated, or too many pixels.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            pixels = _decode(file, path)
    except FileNotFoundError:
        raise UserError(f"There is no photo {path}. Check the path.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a photo. Name the photos in it.") from None
    except PermissionError:
        raise UserError(f"The photo {path} may not be read. Check its permissions.") from None
    return Photo(path, pixels, digest)


def _decode(file: BinaryIO, path: Path) -> np.ndarray:
    head = file.read(16)
    file.seek(0)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"avif"):
        raise UserError(f"{path} is a HEIC or AVIF photo, which is not supported. Save it as JPEG.")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; here the limit is the one below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=_FORMATS)
        if image.width * image.height > _MAXIMUM_PIXELS:
            raise _too_large(path)
        # A JPEG is decoded at a half, a quarter or an eighth where that is still large enough.
        image.draft(None, (_MAXIMUM_SIDE, _MAXIMUM_SIDE))
        image.load()
        picture = _to_rgb(ImageOps.exif_transpose(image))
    except Image.UnidentifiedImageError:
        raise UserError(
            f"{path} is not a picture, whatever its name says. Give a {_FORMAT_NAMES} file."
        ) from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    # What Pillow's decoders raise for damaged data of one format or another.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} is damaged or cut short ({error}). Copy or export the photo again."
        ) from error
    picture.thumbnail((_MAXIMUM_SIDE, _MAXIMUM_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(picture).copy()


def _too_large(path: Path) -> UserError:
    return UserError(
        f"{path} has more than {_MAXIMUM_PIXELS // 1_000_000} million pixels. Scale it down."
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow's to RGB with sRGB values."""
    if image.mode.startswith("I"):  # 16 bits of grey; Pillow would clip them, not scale
        grey = np.asarray(image).astype(np.int64) // 257
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("it holds floating-point values, not colours of a photo")
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        image = _profile_to_srgb(image, profile)
    return image.convert("RGB")


def _profile_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Phones write Display P3, print shops CMYK: read as sRGB both would be off in skin tone."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile, or one of another mode than the picture's
    assert converted is not None  # only an in-place conversion returns None
    return converted

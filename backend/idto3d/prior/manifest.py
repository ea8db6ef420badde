# SPDX-License-Identifier: GPL-3.0-or-later
"""prior.json: what a prior folder holds, and the check that it is all there and undamaged."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idto3d.errors import UserError

TINY = "tiny_vae"  # a small encoder beside vae/, optional
LATENT_FACTOR = 8  # pixels of a picture along a cell of its latents
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


@dataclass(frozen=True)
class Manifest:
    """The contents of prior.json, version 1."""

    name: str = "compact"
    image_size: int = 128  # pixels, square
    identity_encoder: str = "dlib"  # or "insightface"
    identity_dimension: int = 128  # of one embedding
    identity_photos: int = 5  # embeddings that the identity MLP reads
    identity_reading: str = "together"  # or "each", as IP-Adapter-FaceID's; see prior/identity.py
    spatial_hint: bool = True  # whether the UNet takes the template's normals as latents
    painted_hint: bool = False  # and after them its plain colours (texture/hint_paint.py)
    expression_tokens: int = 12  # tokens of an expression's text
    expressions: tuple[str, ...] = ()  # names that the adapters know
    expression_texts: Mapping[str, str] = field(default_factory=dict)  # what each name means
    adapters: Mapping[str, str] = field(default_factory=dict)  # domain -> file
    licence: str = "CC0-1.0"
    training: Mapping[str, Any] = field(default_factory=dict)  # provenance by stage
    files: Mapping[str, str] = field(default_factory=dict)  # relative path -> SHA-256
    version: int = 1


def read_manifest(folder: Path) -> Manifest:
    """Read prior.json; a plain Stable Diffusion folder without one gets that family's defaults.

    Raises UserError when the folder is no prior or prior.json is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"There is no prior folder {folder}. Check the path of the prior.")
    path = folder / "prior.json"
    if not path.is_file():
        if (folder / "model_index.json").is_file() and (folder / "unet").is_dir():
            return Manifest(
                name=folder.name,
                image_size=512,
                identity_encoder="insightface",
                identity_dimension=512,
                spatial_hint=False,
                licence="see the checkpoint's own licence",
            )
        raise UserError(f"{folder} has no prior.json. Choose the folder of a diffusion prior.")
    try:
        values = json.loads(path.read_text())
        if values["version"] != 1:
            raise UserError(
                f"{path} has version {values['version']}, this program reads 1. Update the program."
            )
        values["expressions"] = tuple(values["expressions"])
        return Manifest(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}). {_REMEDY}") from error


_REMEDY = "Restore the prior folder from its source, for the shipped one with `git checkout`."


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write prior.json with the SHA-256 of every weight, config and tokenizer file there is."""
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for part in (*PARTS, "adapters", TINY)
        for path in sorted((folder / part).glob("*"))
        if path.suffix in (".json", ".safetensors", ".txt")
    }
    conditioning = folder / "conditioning.safetensors"
    if conditioning.is_file():
        files[conditioning.name] = file_digest(conditioning)
    complete = dataclasses.replace(manifest, files=files)
    temporary = folder / "prior.json.tmp"
    temporary.write_text(json.dumps(dataclasses.asdict(complete), indent=1, sort_keys=True) + "\n")
    os.replace(temporary, folder / "prior.json")
    return complete


def check_files(folder: Path, manifest: Manifest, needed: tuple[str, ...]) -> None:
    """Hold the files whose path starts with one of `needed` to their digest.

    Raises UserError that names the first missing or changed file.
    """
    for name, digest in manifest.files.items():
        if not name.startswith(needed):
            continue
        path = folder / name
        if not path.is_file():
            raise UserError(f"The prior's file {path} is missing. {_REMEDY}")
        if file_digest(path) != digest:
            raise UserError(
                f"The prior's file {path} is damaged: its SHA-256 differs from prior.json. "
                f"{_REMEDY}"
            )
    for part in PARTS:
        if not (folder / part).is_dir():
            raise UserError(f"The prior's folder {folder / part} is missing. {_REMEDY}")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged(path: Path, error: Exception) -> UserError:
    """The error for a file that can't be read although its digest says nothing."""
    return UserError(f"The prior's {path} can't be read ({error}). {_REMEDY}")

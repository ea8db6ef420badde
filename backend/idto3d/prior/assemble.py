# SPDX-License-Identifier: GPL-3.0-or-later
"""A full prior's folder from its ingredients: a base, a face identity, our adapters.

Everything lands in the one layout that `load_prior` opens and `prior.json` vouches for, so that a
prior from somebody else's weights is loaded, checked and trained as the compact one is.
"""

import dataclasses
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from idto3d.errors import UserError
from idto3d.prior.attention import install_multimodal_attention
from idto3d.prior.checkpoint_file import Family, split_checkpoint
from idto3d.prior.ip_adapter import ip_conditioning, read_ip_adapter
from idto3d.prior.layout import write_tensors
from idto3d.prior.load import load_prior
from idto3d.prior.manifest import PARTS, Manifest, file_digest, read_manifest, write_manifest
from idto3d.prior.tensor_files import read_bin

_NETWORKS = ("unet", "vae", "text_encoder")
# The name of a network's weights in one file: diffusers' and transformers'.
_WEIGHTS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
_LICENCE = "the base's own, often CreativeML OpenRAIL-M"
_LICENCE_WITH_IDENTITY = (
    f"{_LICENCE}; IP-Adapter-FaceID's, which with InsightFace is non-commercial research"
)


@dataclass(frozen=True)
class Ingredients:
    """What a prior is made from; paths of files and folders on this machine."""

    base: Path  # a Stable-Diffusion-1.5 folder of diffusers, or one .safetensors checkpoint
    ip_adapter: Path | None = None  # FaceID or FaceID-Portrait, .bin or .safetensors
    adapters: Path | None = None  # a prior folder with adapters trained on this base
    tokenizer: Path | None = None  # a folder; a single checkpoint has none
    autoencoder: Path | None = None  # a folder, in place of the base's
    licence: str | None = None  # what to record; None = the usual one


def assemble(ingredients: Ingredients, output: Path, family: Family | None = None) -> Manifest:
    """Write the prior folder `output`, which appears complete or not at all.

    Weights keep their numbers; files of a folder are linked where the disk allows it, so a base
    takes its room once. The prior is loaded once before it gets its name.

    Raises UserError when an ingredient is missing, damaged or doesn't fit, or `output` exists.
    """
    if output.exists():
        raise UserError(f"{output} is already there. Choose another folder for the prior.")
    work = output.with_name(f".{output.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        manifest = _fill(work, output.name, ingredients, family)
        for domain in ("photo", *manifest.adapters):
            load_prior(work, domain, dtype=torch.float16)
        os.replace(work, output)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _fill(work: Path, name: str, ingredients: Ingredients, family: Family | None) -> Manifest:
    _take_base(work, ingredients, family)
    unet = _unet_shapes(work / "unet", ingredients.base)
    manifest = Manifest(
        name=name,
        image_size=8 * unet.config.sample_size,
        identity_encoder="insightface",
        identity_dimension=512,
        spatial_hint=False,
        licence=ingredients.licence
        or (_LICENCE_WITH_IDENTITY if ingredients.ip_adapter else _LICENCE),
        training={"assembled_from": _origins(ingredients)},
    )
    if ingredients.ip_adapter:
        adapter = read_ip_adapter(ingredients.ip_adapter)
        tensors = ip_conditioning(unet, adapter)
        write_tensors(work / "conditioning.safetensors", tensors, half=False)
        manifest = dataclasses.replace(
            manifest,
            identity_dimension=adapter.dimension,
            identity_photos=adapter.photos,
            identity_reading="each",
        )
    if ingredients.adapters:
        manifest = _take_adapters(work, manifest, ingredients.adapters)
    return write_manifest(work, manifest)


def _take_base(work: Path, ingredients: Ingredients, family: Family | None) -> None:
    """unet/, vae/, text_encoder/, tokenizer/, scheduler/."""
    base = ingredients.base
    if base.is_dir():
        _check_folder(base)
        for part in PARTS:
            if (base / part).is_dir():
                _take_part(base / part, work / part, part)
    elif base.is_file() and base.suffix == ".safetensors":
        split_checkpoint(base, work, family)
    elif base.is_file():
        raise UserError(f"{base} is no .safetensors file. Choose one, or a diffusers folder.")
    else:
        raise UserError(f"There is no base {base}. Check its path.")
    for part, given in (("vae", ingredients.autoencoder), ("tokenizer", ingredients.tokenizer)):
        if given:
            if not given.is_dir():
                raise UserError(f"There is no folder {given} for the {part}. Check its path.")
            shutil.rmtree(work / part, ignore_errors=True)
            _take_part(given, work / part, part)
    for part, remedy in (
        (
            "tokenizer",
            "Name CLIP's with --tokenizer (`idto3d prior download clip-tokenizer`).",
        ),
        ("vae", "Name the folder of an autoencoder with --vae."),
        ("unet", "Choose a complete folder."),
        ("text_encoder", "Choose a complete folder."),
        ("scheduler", "Choose a complete folder."),
    ):
        if not (work / part).is_dir():
            raise UserError(f"{base} holds no {part}. {remedy}")


def _check_folder(base: Path) -> None:
    if (base / "text_encoder_2").is_dir() or (base / "transformer").is_dir():
        raise UserError(
            f"{base} is of another family than Stable Diffusion 1.5. Choose one of that family."
        )


def _take_part(source: Path, target: Path, part: str) -> None:
    """The configuration and tokenizer files, and one set of weights under its plain name."""
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.suffix in (".json", ".txt") and ".index." not in path.name:
            _link(path, target / path.name)
    if part not in _NETWORKS:
        return
    stem = _WEIGHTS[part]
    index = source / f"{stem}.safetensors.index.json"
    plain, half = (source / f"{stem}{kind}.safetensors" for kind in ("", ".fp16"))
    old = source / f"{stem if part != 'text_encoder' else 'pytorch_model'}.bin"
    if plain.is_file():
        _link(plain, target / plain.name)
    elif index.is_file():
        _link(index, target / index.name)
        for name in _shards(index):
            _link(source / name, target / name)
    elif half.is_file():
        _link(half, target / plain.name)
    elif old.is_file():
        write_tensors(target / plain.name, _state(old), half=False)
    else:
        raise UserError(f"{source} holds no weights ({plain.name}). Download the folder again.")


def _shards(index: Path) -> list[str]:
    try:
        names = set(json.loads(index.read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{index} is damaged. Download the folder again.") from error
    # A name from somebody else's file must not lead out of the folder.
    return sorted(Path(name).name for name in names)


def _state(path: Path) -> dict[str, torch.Tensor]:
    """The float tensors of a state dict that torch saved."""
    content: Any = read_bin(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no weights. Download the folder again.")
    return {
        name: value
        for name, value in content.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


def _link(source: Path, target: Path) -> None:
    """A hard link where the disk allows it, else a copy. Weights are only ever replaced whole."""
    if not source.is_file():
        raise UserError(f"The file {source} is missing. Download the folder again.")
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def _unet_shapes(folder: Path, base: Path) -> UNet2DConditionModel:
    """The UNet without memory for its weights, with our attention."""
    try:
        config = UNet2DConditionModel.load_config(folder, local_files_only=True)
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(config)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{base} holds no UNet that can be opened. Download it again.") from error
    if unet.config.in_channels != 4 or unet.config.addition_embed_type is not None:
        raise UserError(
            f"{base} is an inpainting, instruction or XL model. "
            "Choose a text-to-image model of the Stable-Diffusion-1.5 family."
        )
    install_multimodal_attention(unet)
    return unet


def _take_adapters(work: Path, manifest: Manifest, folder: Path) -> Manifest:
    """The adapters and the vocabulary of a prior folder; `load_prior` finds out if they fit."""
    trained = read_manifest(folder)
    if not trained.adapters:
        raise UserError(f"The prior {folder} has no adapters. Name one that was trained.")
    same = ("identity_dimension", "identity_photos", "identity_reading", "spatial_hint",
            "painted_hint")  # fmt: skip
    if any(getattr(trained, name) != getattr(manifest, name) for name in same):
        raise UserError(
            f"The adapters in {folder} were trained for another identity or with a hint. "
            "Name the IP-Adapter that they were trained with."
        )
    (work / "adapters").mkdir()
    for file in trained.adapters.values():
        _link(folder / file, work / "adapters" / Path(file).name)
    return dataclasses.replace(
        manifest,
        expressions=trained.expressions,
        expression_texts=trained.expression_texts,
        expression_tokens=trained.expression_tokens,
        adapters={domain: f"adapters/{Path(f).name}" for domain, f in trained.adapters.items()},
        training={**trained.training, **manifest.training},
    )


def _origins(ingredients: Ingredients) -> dict[str, Any]:
    """Names, never folders, and the digests of single files."""
    given = {
        field.name: getattr(ingredients, field.name)
        for field in dataclasses.fields(ingredients)
        if isinstance(getattr(ingredients, field.name), Path)
    }
    return {
        name: {"name": path.name, **({"sha256": file_digest(path)} if path.is_file() else {})}
        for name, path in given.items()
    }

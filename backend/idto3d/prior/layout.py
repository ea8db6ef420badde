# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing and reading the parts of a prior folder (float16 safetensors in the diffusers layout)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from idto3d.prior.attention import is_processor_key, modality_parameters
from idto3d.prior.identity import IdentityProjector
from idto3d.prior.manifest import damaged
from idto3d.prior.patch_autoencoder import Autoencoder

_IDENTITY = "identity."
_PROCESSORS = "processors."
_LORA = "lora."
_UNET_FILE = "diffusion_pytorch_model{suffix}.safetensors"
# Bytes; so that no file of the repository is large.
_LARGEST_FILE = 15 * 10**6


def write_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    metadata: dict[str, str] | None = None,
    half: bool = True,
) -> None:
    """Write float tensors as safetensors; the file appears complete or not at all.

    half: as float16; else as they are, so that somebody else's weights stay what they were.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    if half:
        plain = {name: value.half() for name, value in plain.items()}
    temporary = path.with_name(path.name + ".tmp")
    save_file(plain, temporary, metadata={"format": "pt", **(metadata or {})})
    temporary.chmod(0o644)
    os.replace(temporary, path)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors in float32 and metadata of a safetensors file. Raises UserError when damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from error


def write_unet(folder: Path, unet: UNet2DConditionModel) -> None:
    """Write unet/ without the extra modalities, in as many files as diffusers' index names.

    `unet` must not hold unfolded LoRA.
    """
    plain = {name: v for name, v in unet.state_dict().items() if not is_processor_key(name)}
    unet.save_config(folder / "unet")
    split = split_torch_state_dict_into_shards(
        {name: value.half() for name, value in plain.items()},
        filename_pattern=_UNET_FILE,
        max_shard_size=_LARGEST_FILE,
    )
    for file, names in split.filename_to_tensors.items():
        write_tensors(folder / "unet" / file, {name: plain[name] for name in names})
    index = folder / "unet" / (_UNET_FILE.format(suffix="") + ".index.json")
    if split.is_sharded:
        table = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        temporary = index.with_name(index.name + ".tmp")
        temporary.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
        os.replace(temporary, index)
    else:
        index.unlink(missing_ok=True)
    for old in (folder / "unet").glob(_UNET_FILE.format(suffix="*")):
        if old.name not in split.filename_to_tensors:
            old.unlink()


def write_autoencoder(folder: Path, autoencoder: Autoencoder) -> None:
    """Write vae/, without the name of the folder that the autoencoder was read from."""
    autoencoder.save_config(folder / "vae")
    path = folder / "vae" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    write_tensors(path, autoencoder.state_dict())


def write_text_encoder(
    folder: Path, encoder: CLIPTextModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Write text_encoder/ and tokenizer/."""
    encoder.config.save_pretrained(folder / "text_encoder")
    write_tensors(folder / "text_encoder" / "model.safetensors", encoder.state_dict())
    tokenizer.save_pretrained(folder / "tokenizer")


def write_scheduler(folder: Path, scheduler: DDPMScheduler) -> None:
    """Write scheduler/."""
    scheduler.save_pretrained(folder / "scheduler")


def identity_tensors(
    unet: UNet2DConditionModel, projector: IdentityProjector
) -> dict[str, torch.Tensor]:
    """The identity MLP with its normalisation, and identity's keys and values in all layers."""
    tensors = {f"{_IDENTITY}{name}": value for name, value in projector.state_dict().items()}
    own = modality_parameters(unet, "identity")
    return tensors | {f"{_PROCESSORS}{name}": value for name, value in own.items()}


def write_conditioning(
    folder: Path, unet: UNet2DConditionModel, projector: IdentityProjector
) -> None:
    """Write conditioning.safetensors."""
    write_tensors(folder / "conditioning.safetensors", identity_tensors(unet, projector))


def adapter_tensors(
    lora: Mapping[str, torch.Tensor],
    processors: Mapping[str, torch.Tensor],
    projector: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """One adapter file: exported LoRA matrices, adapted keys and values, and the identity MLP's
    state where the base has none (else empty)."""
    tensors = {f"{_LORA}{name}": value for name, value in lora.items()}
    tensors |= {f"{_PROCESSORS}{name}": value for name, value in processors.items()}
    return tensors | {f"{_IDENTITY}{name}": value for name, value in projector.items()}


def split_tensors(
    tensors: Mapping[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Identity MLP, processors and LoRA of a conditioning or adapter file, prefixes removed."""
    parts = (_IDENTITY, _PROCESSORS, _LORA)
    split = [
        {name.removeprefix(part): v for name, v in tensors.items() if name.startswith(part)}
        for part in parts
    ]
    return split[0], split[1], split[2]

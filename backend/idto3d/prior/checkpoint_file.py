# SPDX-License-Identifier: GPL-3.0-or-later
"""A Stable Diffusion checkpoint in one .safetensors file, taken apart into a prior's folders.

Such a file has the names of the original training code: `model.diffusion_model.` the UNet,
`first_stage_model.` the autoencoder, `cond_stage_model.transformer.` the text encoder. diffusers
knows how they translate; what the file doesn't say (heads, noise levels) is the family's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from idto3d.errors import UserError
from idto3d.prior.layout import write_scheduler, write_tensors
from idto3d.prior.tensor_files import read_safetensors

UNET, AUTOENCODER, TEXT_ENCODER = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.transformer.",
)


@dataclass(frozen=True)
class Family:
    """What the networks of a family have in common: arguments of diffusers' and transformers'
    classes. The defaults are Stable Diffusion 1.5's (Rombach et al. 2022)."""

    unet: Mapping[str, Any] = field(
        default_factory=lambda: {
            "sample_size": 64,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "cross_attention_dim": 768,
            "attention_head_dim": 8,
        }
    )
    autoencoder: Mapping[str, Any] = field(
        default_factory=lambda: {
            "block_out_channels": (128, 256, 512, 512),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "sample_size": 512,
            "scaling_factor": 0.18215,
        }
    )
    text_encoder: Mapping[str, Any] = field(
        default_factory=lambda: {
            "vocab_size": 49408,
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 77,
            "hidden_act": "quick_gelu",
            "projection_dim": 768,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "pad_token_id": 1,
        }
    )


def split_checkpoint(path: Path, folder: Path, family: Family | None = None) -> None:
    """Write unet/, vae/, text_encoder/ and scheduler/ of the file `path`, numbers as stored.

    vae/ is left out where the file holds no autoencoder. Raises UserError when the file is damaged
    or is no checkpoint of the family.
    """
    family = family or Family()
    tensors = read_safetensors(path)
    parts = {
        prefix: {name: v for name, v in tensors.items() if name.startswith(prefix)}
        for prefix in (UNET, AUTOENCODER, TEXT_ENCODER)
    }
    if not parts[UNET] or not parts[TEXT_ENCODER]:
        raise UserError(
            f"{path} is no complete Stable Diffusion 1.5 checkpoint: it holds no UNet or no text "
            "encoder under their usual names. Choose a full checkpoint of that family."
        )
    # On the meta device a network is its shapes alone: no memory, no time.
    with torch.device("meta"):
        unet = UNet2DConditionModel(**family.unet)
        autoencoder = AutoencoderKL(**family.autoencoder)
        text_encoder = CLIPTextModel(CLIPTextConfig(**family.text_encoder))
    weights = _translated(path, parts[UNET], unet, convert_ldm_unet_checkpoint)
    unet.save_config(folder / "unet")
    write_tensors(folder / "unet" / "diffusion_pytorch_model.safetensors", weights, half=False)
    if parts[AUTOENCODER]:
        weights = _translated(path, parts[AUTOENCODER], autoencoder, convert_ldm_vae_checkpoint)
        autoencoder.save_config(folder / "vae")
        write_tensors(folder / "vae" / "diffusion_pytorch_model.safetensors", weights, half=False)
    weights = _translated(path, parts[TEXT_ENCODER], text_encoder, _convert_text_encoder)
    text_encoder.config.save_pretrained(folder / "text_encoder")
    write_tensors(folder / "text_encoder" / "model.safetensors", weights, half=False)
    write_scheduler(folder, _scheduler())


def _translated(
    path: Path,
    tensors: dict[str, torch.Tensor],
    network: nn.Module,
    convert: Callable[[dict[str, torch.Tensor], Any], dict[str, torch.Tensor]],
) -> dict[str, torch.Tensor]:
    """The tensors by the network's names, each of its shape, none missing."""
    wanted = network.state_dict()
    try:
        found = convert(tensors, network.config)
    except (KeyError, IndexError, AttributeError) as error:
        raise _other_family(path, str(error)) from error
    for name, value in wanted.items():
        if name not in found or found[name].shape != value.shape:
            raise _other_family(path, name)
    return {name: found[name] for name in wanted}


def _convert_text_encoder(
    tensors: dict[str, torch.Tensor], config: object
) -> dict[str, torch.Tensor]:
    # transformers' own names had this prefix until version 5.6.
    return {
        name.removeprefix("text_model."): value
        for name, value in convert_ldm_clip_checkpoint(tensors).items()
    }


def _scheduler() -> DDPMScheduler:
    """Stable Diffusion's noise levels: 1000, the roots of beta in a straight line."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="epsilon",
        clip_sample=False,
        steps_offset=1,
    )


def _other_family(path: Path, name: str) -> UserError:
    return UserError(
        f"{path} is not of the Stable-Diffusion-1.5 family ({name} is missing or of another "
        "shape). Choose a text-to-image checkpoint of that family, not an inpainting or XL one."
    )

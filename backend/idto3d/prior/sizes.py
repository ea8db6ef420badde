# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes a prior's parts take, found without its weights: networks on the meta device."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from idto3d.prior.attention import install_multimodal_attention
from idto3d.prior.manifest import LATENT_FACTOR, TINY, Manifest, damaged
from idto3d.prior.memory import Sizes, peak_bytes, weight_bytes
from idto3d.prior.patch_autoencoder import PatchAutoencoder
from idto3d.prior.tiny_encoder import small_from_config

# Captions of Stable Diffusion; the compact prior's are shorter.
_TOKENS = 77


def measure(folder: Path, manifest: Manifest) -> Sizes:
    """Sizes of the prior in `folder`, for pictures of the manifest's size.

    Raises UserError when a configuration can't be read.
    """
    try:
        with torch.device("meta"):
            return _measure(folder, manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error


def _measure(folder: Path, manifest: Manifest) -> Sizes:
    unet = _from_config(UNet2DConditionModel, folder / "unet").eval()
    install_multimodal_attention(unet)
    config = PatchAutoencoder.load_config(folder / "vae", local_files_only=True)
    ours = config.get("_class_name") == PatchAutoencoder.__name__
    autoencoder = _from_config(PatchAutoencoder if ours else AutoencoderKL, folder / "vae")
    text = CLIPTextModel(CLIPTextConfig.from_pretrained(folder / "text_encoder"))
    picture = torch.zeros(1, 3, manifest.image_size, manifest.image_size)
    encoding = _encoding(autoencoder, picture)
    checkpointed = encoding
    if isinstance(autoencoder, AutoencoderKL):
        autoencoder.enable_gradient_checkpointing()
        checkpointed = min(encoding, _encoding(autoencoder, picture))
    tiny = None
    if (folder / TINY).is_dir():
        small = small_from_config(folder / TINY)
        tiny = weight_bytes(small.encoder) + _encoding(small, picture)
    return Sizes(
        denoiser=weight_bytes(unet),
        encoder=weight_bytes(autoencoder.encoder),
        text=weight_bytes(text),
        call=_call(unet, manifest),
        encoding=encoding,
        encoding_checkpointed=checkpointed,
        tiny=tiny,
    )


def _from_config(kind: Any, folder: Path) -> Any:
    return kind.from_config(kind.load_config(folder, local_files_only=True))


def _call(unet: Any, manifest: Manifest) -> int:
    side = manifest.image_size // LATENT_FACTOR
    labels = None
    if unet.config.class_embed_type == "projection":
        labels = torch.zeros(1, unet.config.projection_class_embeddings_input_dim)
    latents = torch.zeros(1, unet.config.in_channels, side, side)
    tokens = torch.zeros(1, _TOKENS, unet.config.cross_attention_dim)
    with torch.no_grad():
        return peak_bytes(
            lambda: unet(
                latents,
                torch.zeros(1),
                encoder_hidden_states=tokens,
                class_labels=labels,
                cross_attention_kwargs={"tokens": {}},
            )
        )


def _encoding(autoencoder: Any, picture: torch.Tensor) -> int:
    """Forward and backward of one picture; the weights have no gradients."""
    autoencoder.requires_grad_(False)
    pixels = picture.requires_grad_()

    def work() -> None:
        encoded = autoencoder.encode(pixels)
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
        torch.autograd.grad(latents.sum(), pixels)

    return peak_bytes(work)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A small autoencoder in the place of the base's, for its encoder alone: TAESD's layout, or ours.

It maps pictures to nearly the same latents for a fraction of the memory. How near its gradient
points to the full encoder's is a matter of measuring: `gradient_agreement`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from idto3d.prior.patch_autoencoder import PatchAutoencoder

WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class _Posterior:
    mean: Tensor


class TinyEncoder(nn.Module):
    """An encoder behind the interface of an autoencoder. TAESD's latents are scaled already."""

    def __init__(self, folder: Path, **options: Any) -> None:
        """Raises what diffusers raises for a missing or damaged folder."""
        super().__init__()
        if not _is_ours(folder):
            self.encoder = AutoencoderTiny.from_pretrained(folder, **options).encoder
            self.config = SimpleNamespace(scaling_factor=1.0)
            return
        whole = small_from_config(folder)
        self.encoder = whole.encoder.to(options.get("torch_dtype"))
        self.encoder.load_state_dict(load_file(folder / WEIGHTS))
        self.config = SimpleNamespace(scaling_factor=whole.config.scaling_factor)

    def encode(self, images: Tensor) -> Any:
        """Images (B,3,H,W) in [-1,1] -> `.latent_dist.mean` (B,C,H/8,W/8)."""
        return SimpleNamespace(latent_dist=_Posterior(self.encoder(images)))


def small_from_config(folder: Path) -> Any:
    """The small autoencoder that config.json describes, without weights."""
    kind = PatchAutoencoder if _is_ours(folder) else AutoencoderTiny
    return kind.from_config(kind.load_config(folder, local_files_only=True))


def write_small(folder: Path, small: PatchAutoencoder, scaling_factor: float) -> None:
    """Write the encoder of our layout alone, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half().contiguous() for name, value in small.encoder.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    config = {
        "_class_name": PatchAutoencoder.__name__,
        "latent_channels": small.config.latent_channels,
        "channels": list(small.config.channels),
        "sample_size": small.config.sample_size,
        "scaling_factor": scaling_factor,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _is_ours(folder: Path) -> bool:
    config = PatchAutoencoder.load_config(folder, local_files_only=True)
    return config.get("_class_name") == PatchAutoencoder.__name__


def gradient_agreement(
    small: Callable[[Tensor], Tensor], full: Callable[[Tensor], Tensor], images: Tensor, to: Tensor
) -> float:
    """Cosine between the gradients that both encoders send to images (B,3,H,W).

    Each pulls its latents towards `to` (B,C,h,w), as distillation does towards a clean picture.
    """
    gradients = []
    for encode in (small, full):
        pixels = images.detach().requires_grad_()
        loss = (encode(pixels) - to).square().sum()
        gradients.append(torch.autograd.grad(loss, pixels)[0].flatten().double())
    return float(nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A small autoencoder (TAESD's layout) in the place of the base's, for its encoder alone.

It maps pictures to nearly the same latents for a fraction of the memory. How near its gradient
points to the full encoder's is a matter of measuring: `gradient_agreement`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

TINY = "tiny_vae"  # the folder inside a prior


@dataclass(frozen=True)
class _Posterior:
    mean: Tensor


class TinyEncoder(nn.Module):
    """TAESD's encoder behind the interface of an autoencoder; its latents are scaled already."""

    def __init__(self, folder: Path, **options: Any) -> None:
        """Raises what diffusers raises for a missing or damaged folder."""
        super().__init__()
        self.encoder = AutoencoderTiny.from_pretrained(folder, **options).encoder
        self.config = SimpleNamespace(scaling_factor=1.0)

    def encode(self, images: Tensor) -> Any:
        """Images (B,3,H,W) in [-1,1] -> `.latent_dist.mean` (B,4,H/8,W/8)."""
        return SimpleNamespace(latent_dist=_Posterior(self.encoder(images)))


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

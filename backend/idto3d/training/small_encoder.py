# SPDX-License-Identifier: GPL-3.0-or-later
"""Distil a prior's encoder into a small one: python -m idto3d.training.small_encoder --help

The small one is a patch autoencoder's encoder with a few channels. It learns the latents of the
training set's pictures and of mixtures of two pictures of the same view: score distillation needs
the derivative, and small differences between pictures are what teaches it.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from idto3d.prior.manifest import TINY
from idto3d.prior.patch_autoencoder import PatchAutoencoder, read_autoencoder
from idto3d.prior.tiny_encoder import gradient_agreement, write_small
from idto3d.training import regression

Encode = Callable[[Tensor], Tensor]  # pictures (B,3,S,S) in [-1,1] to latents

BATCH = 16
LEARNING_RATE = 2e-3
SEED = 707
CHANNELS = (32, 48)
KINDS = ("photo", "normal", "albedo", "hint")
# Held-out pictures that the agreement of the gradients is measured on, of each kind.
MEASURED = 48


def train(
    small: nn.Module, full: Encode, pictures: np.ndarray, samples: int, state: Path | None = None
) -> list[float]:
    """Bring the small encoder's latents to the full one's on pictures (N,4,S,S,3) uint8.

    The second axis are KINDS of one view. Returns the loss of each step of this call, in shares of
    the latents' variance.
    """

    def loss_at(step: int) -> Tensor:
        random = np.random.default_rng([SEED, step])
        images = mixtures(pictures, BATCH, random)
        with torch.no_grad():
            wanted = full(images)
        return (small(images) - wanted).square().mean() / wanted.var()

    return regression.train(small, loss_at, math.ceil(samples / BATCH), LEARNING_RATE, state)


def mixtures(pictures: np.ndarray, count: int, random: np.random.Generator) -> Tensor:
    """(count,3,S,S) in [-1,1]: half of them pictures, half between two kinds of one view."""
    rows = random.integers(len(pictures), size=count)
    one, other = random.integers(len(KINDS), size=(2, count))
    share = np.where(random.random(count) < 0.5, 0.0, random.uniform(0, 0.5, count))
    share = share[:, None, None, None].astype(np.float32)
    mixed = pictures[rows, one] * (1 - share) + pictures[rows, other] * share
    flip = random.random(count) < 0.5
    mixed[flip] = mixed[flip, :, ::-1]
    return torch.from_numpy(mixed.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def agreement(small: nn.Module, full: Encode, pictures: np.ndarray) -> dict[str, float]:
    """Cosine of the gradients that both send to each kind of picture (N,4,S,S,3), pulled towards
    the latents of the next view's."""
    found = {}
    for number, kind in enumerate(KINDS):
        images = torch.from_numpy(pictures[:, number].astype(np.float32) / 127.5 - 1)
        images = images.permute(0, 3, 1, 2).contiguous()
        with torch.no_grad():
            towards = full(images.roll(1, dims=0))
        found[kind] = gradient_agreement(small, full, images, towards)
    return found


def read_views(folder: Path, held_out: bool) -> np.ndarray:
    """(N,4,S,S,3) uint8: all kinds of the views of held-out people, or of the others."""
    everyone = np.load(folder / "identities.npz", allow_pickle=False)["held_out"]
    parts = []
    for path in sorted(folder.glob("shard-*.npz")):
        shard = np.load(path, allow_pickle=False)
        rows = everyone[shard["person"]] == held_out
        if rows.any():
            parts.append(np.stack([shard[kind][rows] for kind in KINDS], axis=1))
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of `idto3d dataset`")
    parser.add_argument("--prior", type=Path, required=True, help="folder whose vae/ is distilled")
    parser.add_argument("--state", type=Path, required=True, help="file of the training's state")
    parser.add_argument("--samples", type=int, default=30_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    autoencoder = read_autoencoder(arguments.prior / "vae").eval().requires_grad_(False)
    small = PatchAutoencoder(
        autoencoder.config.latent_channels, CHANNELS, autoencoder.config.sample_size
    )
    for network in (autoencoder, small):
        network.to(memory_format=torch.channels_last)

    def full(images: Tensor) -> Tensor:
        return autoencoder.encode(images).latent_dist.mean

    pictures = read_views(arguments.data, held_out=False)
    print(f"{len(pictures)} views", flush=True)
    train(small.encoder, full, pictures, arguments.samples, arguments.state)
    write_small(arguments.prior / TINY, small, autoencoder.config.scaling_factor)
    unseen = read_views(arguments.data, held_out=True)
    chosen = np.random.default_rng(SEED).permutation(len(unseen))[:MEASURED]
    cosines = agreement(small.encoder.eval(), full, unseen[chosen])
    print("agreement of the gradients on unseen people:", cosines)


if __name__ == "__main__":
    main()

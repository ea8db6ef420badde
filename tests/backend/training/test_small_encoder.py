# SPDX-License-Identifier: GPL-3.0-or-later
"""Distilling an encoder: mixtures of pictures, and latents that come nearer."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from idto3d.prior.patch_autoencoder import PatchAutoencoder
from idto3d.training.dataset import save_arrays
from idto3d.training.small_encoder import KINDS, agreement, mixtures, read_views, train


def views(count: int) -> np.ndarray:
    """Soft random pictures (count,4,32,32,3), of which a view's four resemble each other."""
    random = np.random.default_rng(1)
    small = random.uniform(0, 255, (count, 1, 4, 4, 3)) + random.normal(0, 20, (count, 4, 4, 4, 3))
    return np.clip(np.kron(small, np.ones((1, 1, 8, 8, 1))), 0, 255).astype(np.uint8)


def test_mixtures_lie_between_two_kinds_of_a_view() -> None:
    pictures = views(5)
    pictures[:] = np.arange(4, dtype=np.uint8)[None, :, None, None, None] * 80
    mixed = mixtures(pictures, 64, np.random.default_rng(2))
    assert mixed.shape == (64, 3, 32, 32) and mixed.min() >= -1 and mixed.max() <= 1
    levels = (mixed[:, 0, 0, 0] + 1) * 127.5 / 80
    whole = (levels - levels.round()).abs() < 0.02
    assert 0.4 < whole.float().mean() < 0.9
    assert torch.equal(mixed, mixtures(pictures, 64, np.random.default_rng(2)))


def test_the_small_encoder_comes_nearer(tmp_path: Path) -> None:
    torch.manual_seed(3)
    full = PatchAutoencoder(4, (8, 12), 32).eval().requires_grad_(False)
    small = PatchAutoencoder(4, (6, 8), 32)

    def encode(images: Tensor) -> Tensor:
        return full.encode(images).latent_dist.mean

    pictures = views(32)
    before = agreement(small.encoder, encode, pictures[:8])
    losses = train(small.encoder, encode, pictures, 16 * 150, tmp_path / "state.safetensors")
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
    after = agreement(small.encoder, encode, pictures[:8])
    assert set(after) == set(KINDS)
    assert np.mean(list(after.values())) > np.mean(list(before.values()))


def test_views_of_the_right_people(tmp_path: Path) -> None:
    pictures = views(4)
    arrays = {kind: pictures[:, number] for number, kind in enumerate(KINDS)}
    person = np.array([0, 1, 1, 2], np.int32)
    save_arrays(tmp_path / "shard-00000.npz", {**arrays, "person": person})
    save_arrays(tmp_path / "identities.npz", {"held_out": np.array([True, False, False])})
    assert np.array_equal(read_views(tmp_path, held_out=True), pictures[:1])
    assert np.array_equal(read_views(tmp_path, held_out=False), pictures[1:])

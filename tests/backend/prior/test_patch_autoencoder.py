# SPDX-License-Identifier: GPL-3.0-or-later
"""The small autoencoder: shapes, its file, and that it can learn to see."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from idto3d.prior.patch_autoencoder import PatchAutoencoder, read_autoencoder


def make(seed: int = 0, channels: tuple[int, int] = (16, 24)) -> PatchAutoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PatchAutoencoder(latent_channels=4, channels=channels, scaling_factor=0.7)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128), (64, 96)])
def test_eighth_of_the_size(height: int, width: int) -> None:
    model = make()
    images = torch.rand(2, 3, height, width) * 2 - 1
    latents = model.encode(images).latent_dist.mean
    assert latents.shape == (2, 4, height // 8, width // 8)
    assert model.decode(latents).sample.shape == images.shape


def test_posterior_pulls_to_the_unit_normal() -> None:
    posterior = make().encode(torch.zeros(3, 3, 64, 64)).latent_dist
    assert posterior.kl().shape == (3,)
    assert torch.allclose(posterior.kl()[0], 0.5 * posterior.mean[0].square().sum())
    assert float(posterior.std) == pytest.approx(0.05)


def test_latents_are_local() -> None:
    """A patch far away changes nothing: what a CPU's short convolutions are for."""
    model = make()
    images = torch.zeros(1, 3, 256, 256)
    before = model.encode(images).latent_dist.mean
    images[..., :32, :32] = 1.0
    change = (model.encode(images).latent_dist.mean - before).abs().amax(dim=1)[0]
    assert change[:4, :4].max() > 1e-3
    assert change[20:, 20:].max() < 1e-6


def test_file_comes_back(tmp_path: Path) -> None:
    model = make()
    model.save_pretrained(tmp_path)
    read = read_autoencoder(tmp_path)
    assert isinstance(read, PatchAutoencoder)
    assert read.config.scaling_factor == 0.7 and tuple(read.config.channels) == (16, 24)
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(read.encode(images).latent_dist.mean, model.encode(images).latent_dist.mean)
    half = read_autoencoder(tmp_path, torch_dtype=torch.float16)
    assert half.dtype == torch.float16


def test_the_other_kind_of_folder(tmp_path: Path) -> None:
    """Stable Diffusion's own autoencoder opens by the same call."""
    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(tmp_path)
    assert isinstance(read_autoencoder(tmp_path), AutoencoderKL)


def test_missing_weights(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(OSError):
        read_autoencoder(tmp_path, local_files_only=True)


def test_learns_to_reconstruct() -> None:
    """Eight two-coloured pictures with an edge somewhere, by heart."""
    generator = torch.Generator().manual_seed(1)
    colours = torch.rand(8, 2, 3, 1, 1, generator=generator) * 2 - 1
    edge = torch.randint(8, 24, (8, 1, 1, 1), generator=generator)
    left = (torch.arange(32) < edge).expand(8, 1, 32, 32)
    images = torch.where(left, colours[:, 0], colours[:, 1])
    model = make(channels=(24, 32))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(100):
        loss = (model.decode(model.encode(images).latent_dist.mean).sample - images).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0]

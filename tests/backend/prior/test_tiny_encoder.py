# SPDX-License-Identifier: GPL-3.0-or-later
"""Small encoders: ours on disk, and how near the shipped one is to the full one."""

from pathlib import Path

import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.template import load_template
from idto3d.prior.load import load_prior
from idto3d.prior.memory import MemoryPlan
from idto3d.prior.patch_autoencoder import PatchAutoencoder
from idto3d.prior.tiny_encoder import (
    WEIGHTS,
    TinyEncoder,
    gradient_agreement,
    small_from_config,
    write_small,
)
from idto3d.render.cameras import sample_cameras
from idto3d.render.normals import camera_normals_image


def test_written_and_read(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = PatchAutoencoder(4, (8, 12), 64)
    write_small(tmp_path / "small", whole, 0.7)
    assert {file.name for file in (tmp_path / "small").iterdir()} == {"config.json", WEIGHTS}
    read = TinyEncoder(tmp_path / "small", torch_dtype=torch.float32)
    assert read.config.scaling_factor == pytest.approx(0.7)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = whole.encode(images).latent_dist.mean
        after = read.encode(images).latent_dist.mean
    assert after.shape == (2, 4, 8, 8)
    assert (after - before).abs().max() < 0.01 * before.abs().max() + 1e-3
    assert small_from_config(tmp_path / "small").config.channels == [8, 12]


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    write_small(tmp_path, PatchAutoencoder(4, (8, 12), 64), 1.0)
    weights = tmp_path / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(Exception, match=r"(?i)header|incomplete|metadata"):
        TinyEncoder(tmp_path)


@pytest.mark.parametrize("arkit", [{}, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}])
def test_the_shipped_one_agrees_with_the_full_one(arkit: dict[str, float]) -> None:
    """On normals of a head that is in no training set: latents, and the direction in which
    distillation moves the head's vertices."""
    small, full = (
        load_prior(ASSETS / "prior", "geometry", plan=plan)
        for plan in (MemoryPlan(tiny_encoder=True), MemoryPlan())
    )
    template = load_template(ASSETS / "template" / "head.npz")
    generator = torch.Generator().manual_seed(4)
    person = torch.randn(len(template.identity_basis), generator=generator)
    head = (template.neutral(person) + template.expression(arkit)).expand(6, -1, -1)
    cameras = sample_cameras(6, generator)

    def pictures(vertices: torch.Tensor) -> torch.Tensor:
        return camera_normals_image(vertices, template.faces, cameras, 128)[0].movedim(-1, 1)

    with torch.no_grad():
        latents, wanted = small.encode(pictures(head)), full.encode(pictures(head))
    assert (latents - wanted).square().mean() < 0.05 * wanted.var()
    towards = wanted + 0.5 * torch.randn(wanted.shape, generator=generator)
    assert (
        gradient_agreement(
            lambda vertices: small.encode(pictures(vertices)),
            lambda vertices: full.encode(pictures(vertices)),
            head,
            towards,
        )
        > 0.9
    )
    assert sum(p.numel() for p in small.autoencoder.parameters()) < 250_000

# SPDX-License-Identifier: GPL-3.0-or-later
"""The random prior costs what the shipped one costs: the same networks."""

import json

import pytest
import torch

from benchmarks.compact import write_random_compact_prior
from idto3d.assets import PRIOR
from idto3d.prior.load import load_prior


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("compact")
    write_random_compact_prior(path)
    return path


@pytest.mark.skipif(not PRIOR.is_dir(), reason="there is no shipped prior to compare with")
@pytest.mark.parametrize("part", ["unet", "vae"])
def test_networks_are_those_of_the_shipped_prior(folder, part):
    def layout(prior):
        values = json.loads((prior / part / "config.json").read_text())
        return {
            name: v for name, v in values.items() if name[0] != "_" and name != "scaling_factor"
        }

    assert layout(folder) == layout(PRIOR)


def test_it_opens_and_denoises(folder):
    prior = load_prior(folder, "geometry")
    both = torch.randn(1, 24, 16, 16, generator=torch.Generator().manual_seed(0))
    latents, hint = both.split([8, 16], dim=1)
    condition = prior.condition(["a front view"], torch.ones(5, 128), ["smile"])
    with torch.no_grad():
        noise = prior.denoise(latents, torch.tensor([300]), condition, hint)
    assert noise.shape == latents.shape
    assert noise.isfinite().all()

# SPDX-License-Identifier: GPL-3.0-or-later
"""The microfacet model and its table against quadrature over the hemisphere."""

import math

import pytest
import torch

from idto3d.render.brdf import ggx_distribution, hammersley, smith_visibility, split_sum_table


def hemisphere(polar: int = 800, azimuth: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (polar,azimuth,3) around +Z and their solid angles (polar,1)."""
    angle = (torch.arange(polar) + 0.5) * (math.pi / 2 / polar)
    turn = (torch.arange(azimuth) + 0.5) * (2 * math.pi / azimuth)
    sin, cos = torch.sin(angle)[:, None], torch.cos(angle)[:, None]
    vectors = torch.stack([sin * turn.cos(), sin * turn.sin(), cos.expand(polar, azimuth)], -1)
    return vectors, sin * (math.pi / 2 / polar) * (2 * math.pi / azimuth)


@pytest.mark.parametrize("roughness", [0.2, 0.5, 1.0])
def test_projected_area_of_all_microfacets_is_one(roughness):
    half, weight = hemisphere(4000, 4)
    density = ggx_distribution(half[..., 2], torch.tensor(roughness))
    assert (density * half[..., 2] * weight).sum().item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("roughness", [0.35, 0.6, 1.0])
@pytest.mark.parametrize("cosine", [0.25, 0.6, 1.0])
def test_table_matches_quadrature(roughness, cosine):
    light, weight = hemisphere()
    view = torch.tensor([math.sqrt(1 - cosine**2), 0.0, cosine])
    half = torch.nn.functional.normalize(light + view, dim=-1)
    view_dot_half = (half * view).sum(-1).clamp(0, 1)
    rough = torch.tensor(roughness)
    brdf = ggx_distribution(half[..., 2], rough) * smith_visibility(
        light[..., 2], torch.tensor(cosine), rough
    )
    share = brdf * light[..., 2] * weight
    fresnel = (1 - view_dot_half) ** 5
    expected = torch.stack([(share * (1 - fresnel)).sum(), (share * fresnel).sum()])
    table = torch.nn.functional.grid_sample(
        split_sum_table()[None],
        torch.tensor([[[[2 * cosine - 1, 2 * roughness - 1]]]]),
        align_corners=True,
    )[0, :, 0, 0]
    assert torch.allclose(table, expected, atol=0.008)


def test_table_never_reflects_more_than_arrives():
    table = split_sum_table()
    assert table.min() >= 0 and table.sum(0).max() <= 1.02
    # A mirror seen straight on reflects all of F0 and nothing else.
    assert table[0, 0, -1].item() == pytest.approx(1.0, abs=0.01)
    assert table[1, 0, -1].item() == pytest.approx(0.0, abs=0.01)


def test_hammersley_is_even():
    first, second = hammersley(256)
    cells = torch.histogramdd(torch.stack([first, second], 1), bins=[16, 16], range=[0, 1, 0, 1])
    assert (cells.hist == 1).all()

# SPDX-License-Identifier: GPL-3.0-or-later
"""The material field: its start, its subsets, its gradients, and that it can learn a colour."""

import pytest
import torch

from idto3d.head.hash_grid import HashGridSettings
from idto3d.texture.material_field import (
    ALBEDO,
    CHANNELS,
    MARGIN,
    METALLIC,
    ROUGHNESS,
    MaterialField,
    MaterialFieldSettings,
)

GRID = HashGridSettings(levels=4, log2_table_size=12, finest_resolution=64)
SKIN = torch.tensor([0.8, 0.6, 0.5, 0.55, 0.0])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


@pytest.fixture
def material_field(generator: torch.Generator) -> MaterialField:
    return MaterialField(3, MaterialFieldSettings(grid=GRID), generator)


@pytest.fixture
def points(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(200, 3, generator=generator) - 0.5


def _wake(material_field: MaterialField) -> None:
    """Give the last layer weights, so that what lies before it shows."""
    torch.nn.init.normal_(
        material_field.last.weight, std=0.1, generator=torch.Generator().manual_seed(1)
    )


def test_starts_at_the_base(material_field: MaterialField, points: torch.Tensor) -> None:
    assert torch.equal(material_field.residual(points), torch.zeros(3, 200, CHANNELS))
    materials = material_field(points, SKIN)
    assert torch.allclose(materials[..., ALBEDO], SKIN[ALBEDO].expand(3, 200, 3), atol=1e-6)
    assert torch.allclose(materials[..., ROUGHNESS], SKIN[ROUGHNESS].expand(3, 200), atol=1e-6)
    assert torch.allclose(materials[..., METALLIC], torch.tensor(MARGIN), atol=1e-6)


def test_base_for_each_point(material_field: MaterialField, points: torch.Tensor) -> None:
    base = 0.1 + 0.8 * torch.rand(200, CHANNELS, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(material_field(points, base)[1], base, atol=1e-6)


def test_subset_is_rows_of_the_whole(material_field: MaterialField, points: torch.Tensor) -> None:
    _wake(material_field)
    whole = material_field.residual(points)
    chosen = torch.tensor([2, 0])
    subset = material_field.residual(material_field.locate(points), chosen)
    assert torch.allclose(subset, whole[chosen], atol=1e-6)
    assert not torch.allclose(whole[0], whole[2], atol=1e-3)


def test_expressions_see_each_other(material_field: MaterialField, points: torch.Tensor) -> None:
    """The transformer runs over the set: another's latent moves one's material."""
    _wake(material_field)
    before = material_field.residual(points, torch.tensor([0])).detach()
    with torch.no_grad():
        material_field.latents[2] += 1.0
    after = material_field.residual(points, torch.tensor([0])).detach()
    assert (after - before).abs().max() > 1e-4


def test_gradients(material_field: MaterialField, points: torch.Tensor) -> None:
    """At the start only the last layer learns; once it is awake, everything does."""
    target = torch.tensor([0.2, 0.3, 0.4, 0.9, 0.5])
    (material_field(points, SKIN) - target).square().sum().backward()
    assert material_field.last.weight.grad is not None
    assert material_field.last.weight.grad.abs().max() > 0
    _wake(material_field)
    material_field.zero_grad()
    (material_field(points, SKIN) - target).square().sum().backward()
    for name, parameter in material_field.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_latent_gradient_is_the_finite_difference(
    material_field: MaterialField, points: torch.Tensor
) -> None:
    _wake(material_field)
    direction = torch.nn.functional.normalize(
        torch.randn(3, 32, generator=torch.Generator().manual_seed(3)), dim=1
    )

    def total(step: float) -> torch.Tensor:
        shifted = material_field.latents + step * direction
        original = material_field.latents
        material_field.latents = torch.nn.Parameter(shifted.detach())
        value = material_field(points, SKIN).double().square().mean()
        material_field.latents = original
        return value.detach()

    material_field(points, SKIN).double().square().mean().backward()
    analytic = (material_field.latents.grad * direction).sum()
    numeric = (total(0.01) - total(-0.01)) / 0.02
    assert analytic == pytest.approx(float(numeric), rel=0.03)


def test_parameter_groups_cover_everything_once(material_field: MaterialField) -> None:
    groups = material_field.parameter_groups(0.01)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in material_field.parameters())
    assert groups[0]["params"][0] is material_field.grid.table
    assert [group["lr"] for group in groups] == pytest.approx([0.01, 0.001])


def test_learns_a_colour_for_one_expression(
    material_field: MaterialField, points: torch.Tensor
) -> None:
    """Red lips in one expression only, at the points of one half-space."""
    wanted = SKIN.clamp(MARGIN, 1 - MARGIN).expand(3, 200, CHANNELS).clone()
    wanted[1, points[:, 1] < 0, 1] = 0.2
    optimizer = torch.optim.Adam(material_field.parameter_groups(0.03))
    located = material_field.locate(points)
    for _ in range(60):
        loss = (material_field(located, SKIN) - wanted).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    result = material_field(located, SKIN).detach()
    low, high = points[:, 1] < -0.05, points[:, 1] > 0.05
    assert result[1, low, 1].mean() < 0.3
    assert result[1, high, 1].mean() > 0.5
    assert result[0, low, 1].mean() > 0.5

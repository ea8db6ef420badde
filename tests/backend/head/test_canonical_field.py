# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical field: zero start, limits, gradients, and a surface that it can really move."""

import pytest
import torch

from idto3d.head.canonical_field import CanonicalField, CanonicalFieldSettings
from idto3d.head.hash_grid import HashGridSettings
from idto3d.head.marching_tetrahedra import extract_surface
from idto3d.head.narrow_band import build_band, surface_escapes
from tests.backend.head.shapes import assert_closed, sphere

SETTINGS = CanonicalFieldSettings(
    grid=HashGridSettings(levels=4, log2_table_size=12, base_resolution=4, finest_resolution=32)
)
RESOLUTION = 20


@pytest.fixture
def field():
    return CanonicalField(SETTINGS, RESOLUTION, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def points():
    return torch.rand(300, 3, generator=torch.Generator().manual_seed(1)) - 0.5


def test_starts_at_exactly_zero(field, points):
    residual, offset = field(points)
    assert residual.shape == (300,) and offset.shape == (300, 3)
    assert (residual == 0).all() and (offset == 0).all()


def test_limits_hold_and_are_approached(field, points):
    with torch.no_grad():
        field.perceptron[-1].weight.normal_(0, 30, generator=torch.Generator().manual_seed(2))
    residual, offset = field(points)
    assert 0.9 * SETTINGS.max_displacement < residual.abs().max() <= SETTINGS.max_displacement
    limit = SETTINGS.max_offset / RESOLUTION
    assert 0.9 * limit < offset.norm(dim=1).max() <= limit * 1.0001


def test_offsets_at_their_limit_turn_no_tetrahedron_over(field):
    band = build_band(sphere(0.3), RESOLUTION)
    lattice = band.lattice
    direction = torch.randn(lattice.vertices.shape, generator=torch.Generator().manual_seed(4))
    offset = torch.nn.functional.normalize(direction, dim=1) * field.offset_limit
    corners = (lattice.vertices + offset)[lattice.tetrahedra]
    assert (torch.linalg.det(corners[:, 1:] - corners[:, :1]) > 0).all()


def test_seed_decides_and_points_may_be_located(field, points):
    again = CanonicalField(SETTINGS, RESOLUTION, torch.Generator().manual_seed(0))
    for a, b in zip(field.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    torch.nn.init.ones_(field.perceptron[-1].weight)
    assert torch.equal(field(points)[0], field(field.locate(points))[0])


def test_optimisation_moves_the_surface_to_another_sphere(field):
    """From a ball of 0.30 to one of 0.32 through extraction, with a gradient at each part."""
    target = 0.32
    band = build_band(sphere(0.3), RESOLUTION, width=2.5)
    lattice = band.lattice
    template_sdf = sphere(0.3)(lattice.vertices)
    located = field.locate(lattice.vertices)
    optimizer = torch.optim.Adam(field.parameters(), lr=5e-3)
    for _ in range(40):
        residual, offset = field(located)
        sdf = template_sdf + residual
        assert not surface_escapes(band, sdf)
        surface = extract_surface(lattice.vertices + offset, sdf, lattice.tetrahedra, lattice.edges)
        radius = surface.vertices.norm(dim=1)
        loss = ((radius - target) * 100).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_closed(surface.faces)
    assert field.grid.table.grad.abs().sum() > 0
    # A tenth of a cell around the target, from half a cell away.
    assert (radius - target).abs().mean() < 0.1 / RESOLUTION

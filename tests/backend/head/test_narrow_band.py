# SPDX-License-Identifier: GPL-3.0-or-later
"""The band gives what the whole lattice gives, at the cost of a surface."""

import pytest
import torch

from idto3d.head.lattice import bcc_lattice
from idto3d.head.marching_tetrahedra import extract_surface
from idto3d.head.narrow_band import build_band, surface_escapes
from tests.backend.head.shapes import assert_closed, box, sphere, torus, union


def triangles(lattice, signed_distance) -> torch.Tensor:
    """The surface as an ascending list of triangles that doesn't depend on vertex numbers.

    Each corner is named by the two lattice points that it lies between, in half cells; each
    triangle starts at its smallest corner and keeps its direction. (F,3) int64.
    """
    sdf = signed_distance(lattice.vertices)
    surface = extract_surface(lattice.vertices, sdf, lattice.tetrahedra, lattice.edges)
    base = 2 * lattice.resolution + 1
    half_cells = ((lattice.vertices + 0.5) * 2 * lattice.resolution).round().long()
    name = (half_cells * torch.tensor([base**2, base, 1])).sum(dim=1)[surface.ends]
    corner = (name.amin(dim=1) * base**3 + name.amax(dim=1))[surface.faces]
    order = (corner.argmin(dim=1)[:, None] + torch.arange(3)) % 3
    return torch.unique(torch.gather(corner, 1, order), dim=0)


@pytest.mark.parametrize(
    "signed_distance",
    [sphere(0.31), torus(0.3, 0.08), union(box((0.3, 0.1, 0.2)), box((0.1, 0.3, 0.1)))],
    ids=["sphere", "torus", "boxes"],
)
@pytest.mark.parametrize("resolution", [21, 32])
def test_band_surface_is_the_full_lattice_surface(signed_distance, resolution):
    full = triangles(bcc_lattice(resolution), signed_distance)
    band = build_band(signed_distance, resolution)
    assert len(full) > 1000
    assert torch.equal(triangles(band.lattice, signed_distance), full)


def test_cost_grows_with_the_surface():
    small, large = (build_band(sphere(0.35), r).lattice for r in (32, 64))
    assert 3.5 < len(large.tetrahedra) / len(small.tetrahedra) < 4.5
    assert 3.5 < len(large.vertices) / len(small.vertices) < 4.5


def test_high_resolution_never_looks_at_the_volume():
    asked = 0

    def counting(points):
        nonlocal asked
        asked += len(points)
        return sphere(0.1)(points)

    band = build_band(counting, 256)
    assert 20_000 < len(band.lattice.corners) < 50_000
    # Far fewer than the 33 million vertices of the full lattice.
    assert asked < 500_000


def test_surface_may_move_inside_the_band_and_escape_is_seen():
    resolution = 32
    band = build_band(sphere(0.3), resolution, width=2.0)
    lattice = band.lattice
    for shift in (-0.95, 0.95):
        moved = sphere(0.3 + shift * lattice.cell)(lattice.vertices)
        assert not surface_escapes(band, moved)
        surface = extract_surface(lattice.vertices, moved, lattice.tetrahedra, lattice.edges)
        assert_closed(surface.faces)
    for shift in (-2, 2):
        assert surface_escapes(band, sphere(0.3 + shift * lattice.cell)(lattice.vertices))


@pytest.mark.parametrize("steepness", [0.3, 3.0])
def test_field_that_is_no_distance_still_gives_a_closed_surface(steepness):
    def uneven(points):
        return steepness * sphere(0.3)(points) + 0.02 * (40 * points).sin().sum(dim=-1)

    band = build_band(uneven, 32)
    sdf = uneven(band.lattice.vertices)
    assert not surface_escapes(band, sdf)
    surface = extract_surface(
        band.lattice.vertices, sdf, band.lattice.tetrahedra, band.lattice.edges
    )
    assert_closed(surface.faces)


def test_no_surface_and_a_surface_at_the_border_are_errors():
    with pytest.raises(ValueError, match="no surface"):
        build_band(lambda points: torch.ones(len(points)), 32)
    with pytest.raises(ValueError, match="border of the unit cube"):
        build_band(sphere(0.55), 32)
    with pytest.raises(ValueError, match="at least 1"):
        build_band(sphere(0.3), 32, width=0.5)

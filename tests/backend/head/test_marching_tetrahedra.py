# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces of analytic solids: closed, outward, of the right volume; gradients; exact welding."""

import math

import pytest
import torch

from idto3d.head.lattice import bcc_lattice
from idto3d.head.marching_tetrahedra import extract_surface, marching_tetrahedra, unique_edges
from tests.backend.head.shapes import assert_closed, box, enclosed_volume, sphere, torus, union

UNIT_TETRAHEDRON = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.fixture(scope="module")
def lattice():
    return bcc_lattice(32)


SOLIDS = {
    "sphere": (sphere(0.35), 4 / 3 * math.pi * 0.35**3, 2),
    "torus": (torus(0.28, 0.13), 2 * math.pi**2 * 0.28 * 0.13**2, 0),
    "boxes": (
        union(box((0.31, 0.16, 0.17)), box((0.16, 0.33, 0.15), (0.0, 0.02, 0.05))),
        8 * (0.31 * 0.16 * 0.17 + 0.16 * 0.33 * 0.15) - 0.32 * 0.32 * 0.27,
        2,
    ),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solid_is_closed_outward_and_has_its_volume(lattice, name):
    signed_distance, volume, euler = SOLIDS[name]
    vertices, faces = marching_tetrahedra(
        lattice.vertices, signed_distance(lattice.vertices), lattice.tetrahedra
    )
    assert_closed(faces)
    assert enclosed_volume(vertices, faces) == pytest.approx(volume, rel=0.01)
    # Euler's characteristic: no stray component and no spurious handle.
    assert len(vertices) - 3 * len(faces) // 2 + len(faces) == euler
    assert torch.equal(faces.unique(), torch.arange(len(vertices)))


def test_every_face_looks_away_from_the_centre(lattice):
    vertices, faces = marching_tetrahedra(
        lattice.vertices, sphere()(lattice.vertices), lattice.tetrahedra
    )
    corners = vertices[faces]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normal * corners.mean(dim=1)).sum(dim=1) >= -1e-12).all()


@pytest.mark.parametrize("pattern", range(16))
def test_each_sign_pattern_of_one_tetrahedron(pattern):
    """Values ±1 put each surface vertex on its edge's middle; faces turn from inside to outside."""
    inside = torch.tensor([bool(pattern >> corner & 1) for corner in range(4)])
    sdf = torch.where(inside, -1.0, 1.0)
    vertices, faces = marching_tetrahedra(UNIT_TETRAHEDRON, sdf, torch.tensor([[0, 1, 2, 3]]))
    count = int(inside.sum())
    assert len(faces) == {0: 0, 1: 1, 2: 2, 3: 1, 4: 0}[count]
    assert len(vertices) == count * (4 - count)
    outward = UNIT_TETRAHEDRON[~inside].mean(dim=0) - UNIT_TETRAHEDRON[inside].mean(dim=0)
    for face in faces:
        a, b, c = vertices[face]
        assert torch.linalg.cross(b - a, c - a) @ outward > 0


def test_orientation_of_the_tetrahedra_does_not_matter(lattice):
    sdf = sphere()(lattice.vertices)
    flipped = lattice.tetrahedra.clone()
    flipped[::2] = flipped[::2][:, [1, 0, 2, 3]]
    vertices, faces = marching_tetrahedra(lattice.vertices, sdf, flipped)
    assert_closed(faces)
    assert enclosed_volume(vertices, faces) == pytest.approx(4 / 3 * math.pi * 0.3**3, rel=0.01)


def test_values_of_exactly_zero_leave_the_surface_closed():
    lattice = bcc_lattice(8)
    # A cube whose sides run exactly through lattice vertices.
    sdf = lattice.vertices.abs().amax(dim=1) - 0.25
    assert (sdf == 0).any()
    vertices, faces = marching_tetrahedra(lattice.vertices, sdf, lattice.tetrahedra)
    assert_closed(faces)
    assert vertices.isfinite().all()
    assert enclosed_volume(vertices, faces) == pytest.approx(0.125, rel=0.01)


def test_lattice_edges_and_sorted_edges_give_the_same_surface(lattice):
    sdf = torus()(lattice.vertices)
    ours = extract_surface(lattice.vertices, sdf, lattice.tetrahedra, lattice.edges)
    twin = extract_surface(
        lattice.vertices, sdf, lattice.tetrahedra, unique_edges(lattice.tetrahedra)
    )
    # Only the vertices' order differs: the same triangles at the same places.
    assert torch.equal(ours.vertices[ours.faces], twin.vertices[twin.faces])


def test_gradients_match_finite_differences():
    lattice = bcc_lattice(3)
    positions = lattice.vertices.double().requires_grad_()
    sdf = (sphere(0.3)(lattice.vertices) + 0.003).double().requires_grad_()

    def surface(vertices, values):
        return marching_tetrahedra(vertices, values, lattice.tetrahedra)[0]

    # The steps of the numerical check must not change a sign.
    assert sdf.detach().abs().min() > 1e-4
    assert torch.autograd.gradcheck(surface, (positions, sdf), eps=1e-6, atol=1e-6)


def test_interpolated_positions_are_the_surface_vertices(lattice):
    sdf = sphere()(lattice.vertices)
    surface = extract_surface(lattice.vertices, sdf, lattice.tetrahedra, lattice.edges)
    assert torch.equal(surface.interpolate(lattice.vertices), surface.vertices)
    assert surface.interpolate(sdf).abs().max() < 1e-6


def test_no_sign_change_gives_an_empty_surface():
    lattice = bcc_lattice(4)
    vertices, faces = marching_tetrahedra(
        lattice.vertices, torch.ones(len(lattice.vertices)), lattice.tetrahedra
    )
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)

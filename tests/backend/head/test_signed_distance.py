# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances, signs and closest points against the analytic sphere."""

import pytest
import torch

from idto3d.head.signed_distance import TriangleMesh, closest_point, mesh_signed_distance
from tests.backend.head.shapes import icosphere


def test_sphere_distance_matches_the_formula():
    vertices, faces = icosphere(5, radius=0.4)
    points = torch.rand(4000, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    distance = mesh_signed_distance(points, vertices, faces)
    # The inscribed polyhedron lies at most this far below the sphere.
    assert (distance - (points.norm(dim=1) - 0.4)).abs().max() < 4e-4


def test_far_points_are_still_reached():
    vertices, faces = icosphere(2, radius=0.1)
    distance = mesh_signed_distance(torch.tensor([[50.0, 0, 0], [0, 0, 0]]), vertices, faces)
    assert distance[0] == pytest.approx(49.9, abs=0.01)
    assert distance[1] == pytest.approx(-0.1, abs=0.01)


def test_two_components_act_as_their_union():
    vertices, faces = icosphere(4, radius=0.2)
    shift = torch.tensor([0.3, 0.0, 0.0])
    both = torch.cat([vertices, vertices + shift])
    points = torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0.15, 0, 0], [0.15, 0.19, 0], [0.6, 0, 0]])
    distance = mesh_signed_distance(points, both, torch.cat([faces, faces + len(vertices)]))
    assert distance.sign().tolist() == [-1, -1, -1, 1, 1]


def test_inside_out_mesh_is_refused():
    vertices, faces = icosphere(2)
    with pytest.raises(ValueError, match="inside out"):
        mesh_signed_distance(torch.zeros(1, 3), vertices, faces.flip(1))


def test_closest_point_is_the_radial_projection():
    vertices, faces = icosphere(5, radius=0.4)
    points = torch.randn(500, 3, generator=torch.Generator().manual_seed(2))
    face, barycentric = closest_point(points, vertices, faces)
    assert face.dtype == torch.int64
    assert torch.allclose(barycentric.sum(dim=1), torch.ones(500), atol=1e-5)
    assert (barycentric > -1e-5).all()
    nearest = (barycentric[..., None] * vertices[faces[face]]).sum(dim=1)
    expected = torch.nn.functional.normalize(points, dim=1) * 0.4
    # Flat facets of edge 0.02 let the nearest point slide along them by less than an edge.
    assert (nearest - expected).norm(dim=1).max() < 0.02
    distance = (points - nearest).norm(dim=1)
    assert (distance - (points.norm(dim=1) - 0.4).abs()).abs().max() < 4e-4


def test_corner_of_a_triangle_gets_the_weight_of_its_own_vertex():
    # Pins the order of the barycentric coordinates: one triangle, one query beyond each corner.
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    mesh = TriangleMesh(vertices, torch.tensor([[0, 1, 2]]))
    _, barycentric = mesh.closest_point(torch.tensor([[-1.0, -1, 0], [3, -1, 0], [-1, 3, 0]]))
    assert torch.allclose(barycentric, torch.eye(3), atol=1e-5)


def test_no_points():
    vertices, faces = icosphere(1)
    assert mesh_signed_distance(torch.empty(0, 3), vertices, faces).shape == (0,)

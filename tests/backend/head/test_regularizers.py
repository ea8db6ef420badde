# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms that vanish at the start, ignore what they should, and weigh what they say."""

import pytest
import torch

from idto3d.head.regularizers import (
    adjacent_faces,
    edge_stretch,
    face_normals,
    laplacian_of_displacement,
    laplacian_weight,
    mean_square,
    normal_consistency_change,
    umbrella_laplacian,
    umbrella_operator,
)
from tests.backend.head.shapes import icosphere

ROTATION = torch.linalg.qr(torch.tensor([[1.0, 2, 3], [0, 1, 4], [5, 6, 0]]))[0]


def noise(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_umbrella_is_the_mean_of_the_neighbours():
    vertices, faces = icosphere(2)
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    laplacian = umbrella_laplacian(vertices, faces)
    for vertex in (0, 17, 60):
        neighbours = edges[edges[:, 0] == vertex, 1]
        expected = vertices[neighbours].mean(dim=0) - vertices[vertex]
        assert torch.allclose(laplacian[vertex], expected, atol=1e-6)


def test_umbrella_operator_agrees_on_an_open_mesh_with_a_loose_vertex():
    positions, faces = flat_grid(5)
    values = noise((2, len(positions) + 1, 3)).requires_grad_()
    upstream = noise(values.shape, seed=1)
    operator = umbrella_operator(faces, len(positions) + 1)
    found, expected = operator(values), umbrella_laplacian(values, faces)
    assert torch.allclose(found, expected, atol=1e-6)
    gradients = [torch.autograd.grad((of * upstream).sum(), values)[0] for of in (found, expected)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_laplacian_ignores_translation_and_vertices_without_faces():
    vertices, faces = icosphere(2)
    constant = torch.ones(len(vertices) + 3, 3)
    assert laplacian_of_displacement(constant, faces) < 1e-12
    assert laplacian_of_displacement(noise(vertices.shape), faces) > 0.1


def test_batch_is_the_mean_of_its_members():
    vertices, faces = icosphere(2)
    batch = noise((4, len(vertices), 3))
    each = torch.stack([laplacian_of_displacement(one, faces) for one in batch])
    assert torch.allclose(laplacian_of_displacement(batch, faces), each.mean())


def flat_grid(cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A triangulated unit square: positions (V,2) in [-0.5, 0.5], faces (F,3)."""
    axis = torch.linspace(-0.5, 0.5, cells + 1)
    number = torch.arange((cells + 1) ** 2).view(cells + 1, cells + 1)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    faces = torch.cat([torch.stack(t, dim=-1).view(-1, 3) for t in ((a, b, c), (a, c, d))])
    return torch.cartesian_prod(axis, axis), faces


def test_weight_charges_roughness_of_one_slope_alike_on_any_mesh():
    energies = []
    for cells in (64, 256):
        positions, faces = flat_grid(cells)
        rough = 0.1 / cells * noise((len(positions), 1))
        term = laplacian_of_displacement(rough, faces)
        energies.append(float(term * laplacian_weight(1 / cells)))
    assert energies[1] == pytest.approx(energies[0], rel=0.05)
    assert 5e-4 < energies[1] < 2e-3
    assert laplacian_weight(1 / 256) == pytest.approx(5000)


def test_smooth_form_costs_little():
    positions, faces = flat_grid(256)
    bump = 0.01 * torch.exp(-positions.square().sum(dim=1, keepdim=True) / (2 * 0.1**2))
    assert 0 < laplacian_of_displacement(bump, faces) * laplacian_weight(1 / 256) < 1e-7


def test_adjacent_faces_of_a_closed_mesh():
    _, faces = icosphere(2)
    pairs = adjacent_faces(faces)
    assert len(pairs) == 3 * len(faces) // 2
    for first, second in pairs[::37].tolist():
        shared = set(faces[first].tolist()) & set(faces[second].tolist())
        assert first != second and len(shared) == 2


def test_open_edges_have_no_pair():
    assert adjacent_faces(torch.tensor([[0, 1, 2], [0, 2, 3]])).tolist() == [[0, 1]]


def test_face_normals_point_outward_on_a_sphere():
    vertices, faces = icosphere(3)
    centres = torch.nn.functional.normalize(vertices[faces].mean(dim=1), dim=1)
    assert ((face_normals(vertices, faces) * centres).sum(dim=1) > 0.99).all()


def test_normal_consistency_sees_creases_only():
    vertices, faces = icosphere(3, radius=0.3)
    pairs = adjacent_faces(faces)
    moved = vertices @ ROTATION.T + 0.1
    assert normal_consistency_change(moved, vertices, faces, pairs) < 1e-10
    rough = vertices + 0.005 * noise(vertices.shape)
    assert normal_consistency_change(rough, vertices, faces, pairs) > 1e-4
    # A rough start is nobody's fault: the change is what counts.
    assert normal_consistency_change(rough, rough, faces, pairs) == 0


def test_edge_stretch_measures_relative_length():
    vertices, faces = icosphere(3, radius=0.3)
    assert edge_stretch(vertices @ ROTATION.T, vertices, faces) < 1e-9
    assert float(edge_stretch(1.1 * vertices, vertices, faces)) == pytest.approx(0.01, rel=1e-3)
    both = torch.stack([vertices, 1.1 * vertices])
    assert float(edge_stretch(both, vertices, faces)) == pytest.approx(0.005, rel=1e-3)


def test_mean_square_is_a_share_of_the_limit():
    assert float(mean_square(torch.tensor([0.06, -0.06]), 0.06)) == pytest.approx(1)
    assert float(mean_square(torch.tensor([0.03, 0.0]), 0.06)) == pytest.approx(0.125)


def test_descent_smooths_a_rough_displacement():
    vertices, faces = icosphere(3, radius=0.3)
    displacement = (0.01 * noise(vertices.shape)).requires_grad_()
    pairs = adjacent_faces(faces)
    optimizer = torch.optim.Adam([displacement], lr=1e-3)
    before = laplacian_of_displacement(displacement, faces).item()
    for _ in range(30):
        moved = vertices + displacement
        loss = laplacian_of_displacement(displacement, faces) * 5000
        loss = loss + normal_consistency_change(moved, vertices, faces, pairs)
        loss = loss + edge_stretch(moved, vertices, faces)
        optimizer.zero_grad()
        loss.backward()
        assert displacement.grad.isfinite().all()
        optimizer.step()
    assert laplacian_of_displacement(displacement, faces).item() < 0.1 * before

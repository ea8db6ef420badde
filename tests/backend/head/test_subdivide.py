# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop subdivision: weights, smoothing, boundary."""

import numpy as np
import pytest
import torch

from idto3d.head.subdivide import coarse_faces, loop_operator, loop_subdivision
from tests.backend.head.shapes import assert_closed, enclosed_volume, icosphere


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """An open square sheet of size^2 vertices in the plane z = 0."""
    axis = np.arange(size, dtype=np.float64)
    x, y = np.meshgrid(axis, axis)
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(size * size)], axis=1)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + size + 1], axis=1)
    upper = np.stack([corner, corner + size + 1, corner + size], axis=1)
    return vertices, np.concatenate([lower, upper])


def test_rows_are_averages() -> None:
    for vertices, faces in (_grid(5), [np.asarray(part) for part in icosphere(1)]):
        matrix, fine = loop_subdivision(faces, len(vertices))
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        count = len(vertices) + len(np.unique(edges, axis=0))
        assert matrix.shape == (count, len(vertices)) and fine.shape == (4 * len(faces), 3)
        assert fine.dtype == np.int64 and np.unique(fine).size == count
        assert matrix.data.min() >= 0
        assert np.allclose(np.asarray(matrix.sum(axis=1)), 1.0)


def test_weights_of_a_regular_vertex() -> None:
    """Loop 1987: 5/8 and 1/16 around a vertex of six, 3/8 and 1/8 around an edge."""
    vertices, faces = _grid(5)
    matrix, _ = loop_subdivision(faces, len(vertices))
    middle = matrix[12].toarray().ravel()
    assert middle[12] == pytest.approx(5 / 8)
    assert sorted(middle[middle > 0]) == pytest.approx([1 / 16] * 6 + [5 / 8])
    between = next(row for row in matrix[25:].toarray() if row[12] > 0.3 and row[13] > 0.3)
    assert sorted(between[between > 0]) == pytest.approx([1 / 8, 1 / 8, 3 / 8, 3 / 8])


def test_boundary_is_a_spline_of_its_own() -> None:
    """1/8, 3/4, 1/8 along the rim and midpoints between; nothing from the inside."""
    vertices, faces = _grid(4)
    matrix, _ = loop_subdivision(faces, len(vertices))
    rim = matrix[1].toarray().ravel()  # on the lower edge, between 0 and 2
    assert np.flatnonzero(rim).tolist() == [0, 1, 2]
    assert rim[[0, 1, 2]] == pytest.approx([1 / 8, 3 / 4, 1 / 8])
    halves = [row for row in matrix[16:].toarray() if row[0] == 0.5 and row[1] == 0.5]
    assert len(halves) == 1 and np.count_nonzero(halves[0]) == 2
    fine = matrix @ vertices
    assert np.abs(fine[:, 2]).max() == 0  # a flat sheet stays flat
    assert fine[:, :2].min() >= 0 and fine[:, :2].max() <= 3


def test_octahedron_becomes_round() -> None:
    """The limit of an octahedron is nearly a sphere: radii come together, the volume settles."""
    vertices, faces = (np.asarray(part) for part in icosphere(0))
    spreads, volumes = [], []
    for _ in range(4):
        matrix, faces = loop_subdivision(faces, len(vertices))
        vertices = matrix @ vertices
        radius = np.linalg.norm(vertices, axis=1)
        spreads.append(radius.std() / radius.mean())
        volumes.append(enclosed_volume(torch.from_numpy(vertices), torch.from_numpy(faces)))
    assert_closed(torch.from_numpy(faces))
    assert spreads[-1] < 0.055 and spreads == sorted(spreads, reverse=True)
    assert volumes[-1] > 0 and abs(volumes[3] - volumes[2]) < 0.25 * abs(volumes[1] - volumes[0])


def test_faces_keep_their_side() -> None:
    vertices, faces = _grid(3)
    matrix, fine = loop_subdivision(faces, len(vertices))
    corners = (matrix @ vertices)[fine]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normal[:, 2] > 0).all()


def test_coarse_faces_are_found_again() -> None:
    _, faces = icosphere(2)
    _, finer = loop_subdivision(faces.numpy(), 66)
    assert torch.equal(coarse_faces(torch.from_numpy(finer)), faces)


def test_loop_operator_is_the_matrix() -> None:
    vertices, faces = icosphere(2)
    matrix, _ = loop_subdivision(faces.numpy(), len(vertices))
    dense = torch.from_numpy(matrix.toarray()).float()
    values = torch.randn(2, *vertices.shape, generator=torch.Generator().manual_seed(0))
    own, twin = values.clone().requires_grad_(), values.clone().requires_grad_()
    result, expected = loop_operator(faces, len(vertices))(own), dense @ twin
    assert torch.allclose(result, expected, atol=1e-6)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (result * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.allclose(own.grad, twin.grad, atol=1e-5)

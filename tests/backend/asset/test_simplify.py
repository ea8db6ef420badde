# SPDX-License-Identifier: GPL-3.0-or-later
"""Simplification: target, closedness, truth to the surface, and every pose kept."""

import numpy as np
import pytest
import torch

from idto3d.asset.mesh import PosedMesh
from idto3d.asset.simplify import closest_barycentric, simplify
from idto3d.head.signed_distance import closest_point


def _edge_uses(faces: np.ndarray) -> np.ndarray:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def test_reaches_the_target_and_stays_closed(head_surface: PosedMesh) -> None:
    light = simplify(head_surface, 3000)
    assert 2900 <= len(light.faces) <= 3000
    assert (_edge_uses(light.faces) == 2).all()
    assert len(np.unique(light.faces)) == len(light.canonical)
    before = _volume(head_surface.canonical, head_surface.faces)
    assert _volume(light.canonical, light.faces) == pytest.approx(before, rel=0.005)


def test_every_pose_lies_on_the_original_pose(head_surface: PosedMesh) -> None:
    light = simplify(head_surface, 3000)
    assert light.poses.shape == (3, len(light.canonical), 3)
    for pose, original in zip(light.poses, head_surface.poses, strict=True):
        face, barycentric = closest_point(
            torch.from_numpy(pose), torch.from_numpy(original), torch.from_numpy(head_surface.faces)
        )
        corners = original[head_surface.faces[face.numpy()]]
        nearest = (barycentric.numpy()[:, :, None] * corners).sum(axis=1)
        # 0.002 units are 0.7 mm; the smile moves its vertices by up to 36 mm.
        assert np.linalg.norm(nearest - pose, axis=1).max() < 0.002


def test_a_linear_displacement_is_kept_exactly(head_surface: PosedMesh) -> None:
    """Barycentric interpolation reproduces a displacement that is linear in space."""
    matrix = np.array([[0.1, 0.02, 0], [0, -0.2, 0.05], [0.03, 0, 0.1]])
    linear = (head_surface.canonical @ matrix).astype(np.float32)
    light = simplify(PosedMesh(head_surface.canonical, linear[None], head_surface.faces), 3000)
    # The new vertices lie a little off the original surface, the displacement is that on it.
    assert np.abs(light.displacement[0] - light.canonical @ matrix).max() < 4e-4


def test_touching_parts_keep_their_own_displacement() -> None:
    """Two sheets a hair apart, of which one moves: no vertex may take the other's movement."""
    steps = np.linspace(-0.4, 0.4, 40)
    x, y = (grid.ravel() for grid in np.meshgrid(steps, steps))
    wave = 0.03 * np.sin(9 * x) * np.sin(7 * y)
    sheet = np.stack([x, y, wave], axis=1)
    corner = (np.arange(39)[:, None] * 40 + np.arange(39)).ravel()
    quads = np.stack([corner, corner + 1, corner + 41, corner, corner + 41, corner + 40], axis=1)
    faces = quads.reshape(-1, 3)
    vertices = np.concatenate([sheet, sheet + [0, 0, 1e-5]]).astype(np.float32)
    displacement = np.zeros((1, len(vertices), 3), dtype=np.float32)
    displacement[0, len(sheet) :, 2] = 0.1
    mesh = PosedMesh(vertices, displacement, np.concatenate([faces, faces + len(sheet)]))
    light = simplify(mesh, 1200)
    moved = light.displacement[0, :, 2]
    assert np.logical_or(np.abs(moved) < 1e-6, np.abs(moved - 0.1) < 1e-6).all()
    assert 0.4 < (moved > 0.05).mean() < 0.6


def test_a_small_mesh_comes_back_untouched(head_surface: PosedMesh) -> None:
    assert simplify(head_surface, 10**6) is head_surface


def test_refuses_less_than_a_tetrahedron(head_surface: PosedMesh) -> None:
    with pytest.raises(ValueError, match="4 faces"):
        simplify(head_surface, 3)


def test_closest_barycentric_against_dense_search() -> None:
    generator = np.random.default_rng(7)
    corners = generator.normal(size=(300, 3, 3))
    points = 2 * generator.normal(size=(300, 3))
    found = closest_barycentric(points, corners)
    assert np.allclose(found.sum(axis=1), 1) and found.min() >= 0
    distance = np.linalg.norm(np.einsum("nc,ncd->nd", found, corners) - points, axis=1)
    steps = np.arange(81) / 80
    first, second = np.meshgrid(steps, steps)
    inside = first + second <= 1
    grid = np.stack([1 - first - second, first, second], axis=-1)[inside]
    dense = np.einsum("gc,ncd->ngd", grid, corners) - points[:, None]
    best = np.linalg.norm(dense, axis=2).min(axis=1)
    assert (distance <= best + 1e-9).all()
    assert (distance >= best - 0.05).all()

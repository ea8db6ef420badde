# SPDX-License-Identifier: GPL-3.0-or-later
"""Tubes and balls are closed, look outwards, and have the size that they should."""

import numpy as np
import pytest

from idto3d.training.attire.surfaces import ball, joined, still, tube


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Signed; positive when the faces look outwards."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def assert_watertight(vertices: np.ndarray, faces: np.ndarray) -> None:
    """Each edge between two places is passed once in each direction."""
    _, place = np.unique(np.round(vertices, 7), axis=0, return_inverse=True)
    corners = place.reshape(-1)[faces]
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    count = int(place.max()) + 1
    there = np.sort(pairs[:, 0] * count + pairs[:, 1])
    back = np.sort(pairs[:, 1] * count + pairs[:, 0])
    assert np.array_equal(there, back)


def test_straight_tube() -> None:
    line = np.stack([np.linspace(0, 3, 9), np.zeros(9), np.zeros(9)], axis=1)
    vertices, faces = tube(line, 0.2)
    assert_watertight(vertices, faces)
    octagon = 0.5 * 8 * np.sin(2 * np.pi / 8) * 0.2**2
    assert volume(vertices, faces) == pytest.approx(3 * octagon, rel=1e-6)


def test_ring() -> None:
    angle = 2 * np.pi * np.arange(48) / 48
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros(48)], axis=1)
    vertices, faces = tube(circle, 0.1, closed=True)
    assert_watertight(vertices, faces)
    octagon = 0.5 * 8 * np.sin(2 * np.pi / 8) * 0.1**2
    assert volume(vertices, faces) == pytest.approx(2 * np.pi * octagon, rel=0.01)  # Pappus


def test_ball() -> None:
    vertices, faces = ball(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, 2.0]))
    assert_watertight(vertices, faces)
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi, rel=0.03)
    assert np.allclose(0.5 * (vertices.min(axis=0) + vertices.max(axis=0)), [1, 2, 3])


def test_joined_and_still() -> None:
    one, two = ball(np.zeros(3), np.ones(3)), ball(np.full(3, 5.0), np.ones(3))
    vertices, faces = joined([one, two])
    assert volume(vertices, faces) == pytest.approx(2 * volume(*one))
    worn = still(vertices, faces, np.array([0.1, 0.2, 0.3]), 0.4)
    placed = worn.place(np.zeros((3, 7, 3), dtype=np.float32))
    assert placed.shape == (3, len(vertices), 3) and np.array_equal(placed[0], placed[2])
    assert worn.albedo.shape == (len(vertices), 3) and worn.faces.max() < len(vertices)

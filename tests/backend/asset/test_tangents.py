# SPDX-License-Identifier: GPL-3.0-or-later
"""Tangents against surfaces whose parametrisation is known in closed form."""

import numpy as np

from idto3d.asset.tangents import vertex_tangents


def _cylinder() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A quarter of a cylinder around Y: u runs with the azimuth, v (downwards) against Y."""
    u, v = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 1, 21)))
    azimuth = 0.5 * np.pi * u
    normals = np.stack([np.sin(azimuth), np.zeros_like(u), np.cos(azimuth)], axis=1)
    positions = normals + [0, 1, 0] * (1 - v)[:, None]
    corner = (np.arange(20)[:, None] * 41 + np.arange(40)).ravel()
    quads = np.stack([corner, corner + 41, corner + 42, corner, corner + 42, corner + 1], axis=1)
    return positions, normals, np.stack([u, v], axis=1), quads.reshape(-1, 3)


def test_tangent_follows_u_and_bitangent_points_up_in_the_image() -> None:
    positions, normals, uv, faces = _cylinder()
    tangents = vertex_tangents(positions, normals, uv, faces)
    along_u = np.stack([normals[:, 2], np.zeros(len(uv)), -normals[:, 0]], axis=1)
    assert np.abs(tangents[:, :3] - along_u).max() < 1e-3
    bitangent = np.cross(normals, tangents[:, :3]) * tangents[:, 3:]
    assert np.abs(bitangent - [0, 1, 0]).max() < 1e-3


def test_a_mirrored_chart_flips_the_sign_only() -> None:
    positions, normals, uv, faces = _cylinder()
    upside_down = vertex_tangents(positions, normals, uv * [1, -1] + [0, 1], faces)
    straight = vertex_tangents(positions, normals, uv, faces)
    assert (upside_down[:, 3] == -straight[:, 3]).all()
    assert np.abs(upside_down[:, :3] - straight[:, :3]).max() < 1e-6


def test_unit_and_square_to_the_normal_even_without_an_area_in_uv() -> None:
    positions, normals, uv, faces = _cylinder()
    tangents = vertex_tangents(positions, normals, np.zeros_like(uv), faces)
    assert np.abs(np.linalg.norm(tangents[:, :3], axis=1) - 1).max() < 1e-6
    assert np.abs((tangents[:, :3] * normals).sum(axis=1)).max() < 1e-6
    assert (np.abs(tangents[:, 3]) == 1).all()

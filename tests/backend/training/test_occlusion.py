# SPDX-License-Identifier: GPL-3.0-or-later
"""Ambient visibility on shapes where it is known."""

import numpy as np

from idto3d.training.occlusion import ambient_visibility
from tests.backend.head.shapes import icosphere


def ball(radius: float, centre: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = (np.asarray(part) for part in icosphere(3, radius))
    return vertices + np.array(centre), faces


def test_a_lone_ball_sees_the_sky() -> None:
    vertices, faces = ball(0.2, (0, 0, 0))
    visibility = ambient_visibility(vertices, faces)
    assert visibility.dtype == np.float32 and visibility.shape == (len(vertices),)
    assert visibility.min() > 0.999


def test_the_inside_of_a_ball_is_dark() -> None:
    """Dark by how near the walls are: across 4 cm darker than across 16 cm of a 12 cm reach."""
    small, large = (
        ambient_visibility(vertices, faces[:, ::-1])
        for vertices, faces in (ball(0.05, (0, 0, 0)), ball(0.2, (0, 0, 0)))
    )
    assert small.max() < 0.6 and small.mean() < 0.8 * large.mean() and large.mean() < 0.95


def test_a_neighbour_takes_its_share_of_the_sky() -> None:
    left, faces = ball(0.1, (-0.11, 0, 0))
    right, _ = ball(0.1, (0.11, 0, 0))
    vertices = np.concatenate([left, right])
    visibility = ambient_visibility(vertices, np.concatenate([faces, faces + len(left)]))
    nearest = np.argmax(left[:, 0])
    farthest = np.argmin(left[:, 0])
    assert visibility[nearest] < 0.6 and visibility[farthest] > 0.999
    one = visibility[: len(left)]
    assert np.corrcoef(one, left[:, 0])[0, 1] < -0.5
    assert np.array_equal(
        visibility, ambient_visibility(vertices, np.concatenate([faces, faces + len(left)]))
    )


def test_what_is_out_of_reach_does_not_count() -> None:
    left, faces = ball(0.1, (-0.5, 0, 0))
    right, _ = ball(0.1, (0.5, 0, 0))
    vertices = np.concatenate([left, right])
    both = np.concatenate([faces, faces + len(left)])
    assert ambient_visibility(vertices, both).min() > 0.999
    assert ambient_visibility(vertices, both, reach=1.0).min() < 0.999

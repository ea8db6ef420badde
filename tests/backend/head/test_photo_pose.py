# SPDX-License-Identifier: GPL-3.0-or-later
"""The pose of a photograph from five points, on points projected by a known camera."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.head.photo_pose import DISTANCE, FIVE_POINTS, PhotoPose, solve_pose
from idto3d.head.template import load_template
from idto3d.render.cameras import orbit, transform


@pytest.fixture(scope="module")
def marks() -> np.ndarray:
    """(68,3) landmarks of the mean head."""
    template = load_template(ASSETS / "template" / "head.npz")
    return template.mean[template.landmarks].numpy().astype(np.float64)


def pose_of(yaw: float, pitch: float, roll: float) -> PhotoPose:
    turn = Rotation.from_euler("zxy", [roll, pitch, yaw], degrees=True).as_matrix()
    return PhotoPose(turn, 640.0, np.array([512.0, 300.0]), 0.0)


def degrees_between(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(one @ other.T).magnitude()))


def test_projection() -> None:
    """x right, y down; nearer is larger; the origin falls on `centre`."""
    pose = pose_of(0, 0, 0)
    points = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0.1, 0, 0.5]])
    found = pose.project(points)
    assert np.allclose(found[0], [512, 300, DISTANCE])
    assert np.allclose(found[1, :2], [576, 300]) and np.allclose(found[2, :2], [512, 236])
    assert found[3, 0] - 512 == pytest.approx(64 / (1 - 0.5 / DISTANCE))
    assert found[3, 2] == DISTANCE - 0.5
    assert np.allclose(pose.towards(), [0, 0, 1])
    # A face turned to the right of the picture shows its own right side.
    assert pose_of(30, 0, 0).towards()[0] < -0.4


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (25, 0, 0), (-40, 5, 10), (10, -12, -25), (0, 12, 0)]
)
def test_recovers_a_known_pose(marks: np.ndarray, yaw: float, pitch: float, roll: float) -> None:
    truth = pose_of(yaw, pitch, roll)
    pixels = truth.project(marks)[:, :2]
    found = solve_pose(marks[list(FIVE_POINTS)], pixels[list(FIVE_POINTS)])
    # Five nearly coplanar points leave some pitch to the prior that people look at the camera.
    assert degrees_between(found.rotation, truth.rotation) < 3.0
    assert found.focal == pytest.approx(truth.focal, rel=0.02)
    assert found.error < 0.01
    eyes = np.linalg.norm(pixels[36] - pixels[45])
    miss = np.linalg.norm(found.project(marks)[:, :2] - pixels, axis=1)
    assert miss.max() < 0.08 * eyes and miss[17:].mean() < 0.02 * eyes


def test_agrees_with_the_renderer(marks: np.ndarray) -> None:
    """A picture rendered from yaw 30 is seen from the person's left, 30 degrees off."""
    size = 800
    camera = orbit(30.0, 0.0, distance=DISTANCE)
    clip = transform(torch.from_numpy(marks).float(), camera)[0].numpy()
    ndc = clip[:, :2] / clip[:, 3:] * [1, -1]
    pixels = (ndc + 1) * 0.5 * size - 0.5
    found = solve_pose(marks[list(FIVE_POINTS)], pixels[list(FIVE_POINTS)])
    yaw = np.degrees(np.arctan2(found.towards()[0], found.towards()[2]))
    assert yaw == pytest.approx(30, abs=3)
    miss = np.linalg.norm(found.project(marks)[:, :2] - pixels, axis=1)
    assert miss.max() < 0.08 * np.linalg.norm(pixels[36] - pixels[45])


def test_noise_of_a_pixel_turns_it_by_degrees_at_most(marks: np.ndarray) -> None:
    random = np.random.default_rng(0)
    truth = pose_of(-15, 3, 5)
    five = list(FIVE_POINTS)
    pixels = truth.project(marks[five])[:, :2]
    found = [
        solve_pose(marks[five], pixels + random.normal(0, 1.0, pixels.shape)) for _ in range(20)
    ]
    angles = [degrees_between(pose.rotation, truth.rotation) for pose in found]
    assert np.median(angles) < 5 and max(angles) < 15
    assert 0.001 < np.median([pose.error for pose in found]) < 0.03


def test_error_tells_points_of_another_shape(marks: np.ndarray) -> None:
    five = list(FIVE_POINTS)
    pixels = pose_of(0, 0, 0).project(marks[five])[:, :2]
    pixels[4] += [60, 0]  # a nose beside the face
    assert solve_pose(marks[five], pixels).error > 0.03

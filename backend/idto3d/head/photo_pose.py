# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a photograph was taken from: a pose that lays the head's five points on the photo's."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

# The 68 landmarks that dlib's five points are: left eye outer and inner, right eye outer and
# inner, base of the nose.
FIVE_POINTS = (45, 42, 36, 39, 33)
# Assumed distance of the camera in units (0.9 m): five points can't tell it from the size.
DISTANCE = 2.5


@dataclass(frozen=True)
class PhotoPose:
    """Perspective pose: pixel = focal * (x, -y) / (1 - z / DISTANCE) + centre, after rotation."""

    rotation: np.ndarray  # (3,3) world to camera
    focal: float  # pixels a unit at the head's depth
    centre: np.ndarray  # (2,) pixel of the world's origin
    error: float  # root mean square over the five points, share of the eye distance

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (N,3) -> pixels (N,2), x right, y down, and depth (N,) in units."""
        turned = points @ self.rotation.T
        scale = self.focal / (1.0 - turned[:, 2] / DISTANCE)
        pixels = np.stack([turned[:, 0] * scale, -turned[:, 1] * scale], axis=1) + self.centre
        return np.concatenate([pixels, DISTANCE - turned[:, 2:]], axis=1)

    def towards(self) -> np.ndarray:
        """(3,) unit world direction from the head to the camera."""
        return self.rotation[2]


def solve_pose(points: np.ndarray, pixels: np.ndarray) -> PhotoPose:
    """Least squares over rotation, size and place. points (5,3) world, pixels (5,2)."""
    spread = np.linalg.norm(pixels[0] - pixels[2]) / np.linalg.norm(points[0] - points[2])

    def pose(values: np.ndarray) -> PhotoPose:
        turn = Rotation.from_rotvec(values[:3]).as_matrix()
        return PhotoPose(turn, float(np.exp(values[3]) * spread), values[4:6], 0.0)

    def residual(values: np.ndarray) -> np.ndarray:
        off = (pose(values).project(points)[:, :2] - pixels) / (spread * 0.25)
        # Five points fix pitch badly: people look about straight at a camera.
        return np.concatenate([off.ravel(), 0.02 * values[:1], 0.01 * values[1:3]])

    middle = pixels.mean(axis=0) + np.array([0.0, points[:, 1].mean() * spread])
    start = np.array([0.0, 0.0, 0.0, 0.0, *middle])
    solution = least_squares(residual, start, x_scale=[0.2, 0.2, 0.2, 0.1, spread, spread]).x
    result = pose(solution)
    off = result.project(points)[:, :2] - pixels
    error = np.sqrt((off**2).sum(1).mean()) / np.linalg.norm(pixels[0] - pixels[2])
    return PhotoPose(result.rotation, result.focal, result.centre, float(error))

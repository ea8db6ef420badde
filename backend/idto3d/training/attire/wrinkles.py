# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrinkles and pores of a face as a height field, finer than a mesh: it bends the normals alone.

Forehead lines, crow's feet, the folds beside the mouth and under the eyes; lengths in face
centimetres.
"""

import numpy as np
from scipy.ndimage import map_coordinates

from idto3d.head.outlines import line_distance
from idto3d.head.regions import face_centimetre, smoothstep, value_noise

DEPTH = 0.08  # of a deep fold
PORES = 0.004  # what they rise and fall by
CELL = 0.04  # of the grid on which the relief is written
REACH = ((-9.0, 9.0), (-14.0, 13.0))  # of that grid across and up, from between the eyes


class Relief:
    """The slope of a face's relief, seen from the front: it hardly changes along z.

    landmarks (68,3) in unit space; amount in [0,1] of the wrinkles.
    """

    def __init__(self, landmarks: np.ndarray, amount: float, seed: int) -> None:
        self.cm = face_centimetre(landmarks)
        self.middle = 0.5 * (landmarks[36, :2] + landmarks[45, :2])
        across, up = (np.arange(low, high, CELL) * self.cm for low, high in REACH)
        x, y = np.meshgrid(across + self.middle[0], up + self.middle[1])
        height = relief(np.stack([x.ravel(), y.ravel()], axis=1), landmarks, amount, seed)
        self.slope = np.gradient(height.reshape(x.shape), CELL * self.cm)[::-1]

    def bend(self, normals: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Unit normals (N,3) with the relief at positions (N,3) of the neutral face."""
        start = np.array([REACH[0][0], REACH[1][0]])
        cell = ((positions[:, :2] - self.middle) / self.cm - start) / CELL
        slope = np.zeros_like(normals)
        for axis in (0, 1):
            slope[:, axis] = map_coordinates(
                self.slope[axis], cell.T[::-1], order=1, mode="nearest"
            )
        slope *= smoothstep(0.0, 0.1, positions[:, 2])[:, None]
        bent = normals - slope + (slope * normals).sum(axis=1, keepdims=True) * normals
        return bent / np.linalg.norm(bent, axis=1, keepdims=True)


def relief(places: np.ndarray, landmarks: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """(N,) height over the smooth skin at places (N,2), all in units; landmarks (68,3)."""
    cm = face_centimetre(landmarks)
    p = np.column_stack([places, np.zeros(len(places))])
    q = places
    wander = value_noise(p / cm * np.array([0.45, 0.3, 0.3]), seed)
    brows = landmarks[[19, 24], 1].mean()
    height = (p[:, 1] - brows) / cm
    forehead = smoothstep(0.7, 1.5, height) * (1 - smoothstep(3.6, 4.6, height))
    forehead = forehead * (1 - smoothstep(3.0, 4.5, np.abs(p[:, 0]) / cm))
    lines = forehead * _groove(np.sin(2 * np.pi * (height + 0.35 * wander) / 0.95))
    feet = np.zeros(len(p))
    for corner in (36, 45):
        side = np.sign(landmarks[corner, 0])
        x, y = side * (p[:, 0] - landmarks[corner, 0]) / cm, (p[:, 1] - landmarks[corner, 1]) / cm
        distance = np.hypot(x, y)
        fan = np.arctan2(y, np.maximum(x, 1e-6))
        near = smoothstep(0.3, 0.6, distance) * (1 - smoothstep(1.2, 2.2, distance)) * (x > 0)
        near = near * (1 - smoothstep(0.6, 0.95, np.abs(fan)))
        feet = feet + near * _groove(np.sin(9 * fan + wander))
    folds = np.zeros(len(p))
    for nostril, corner, bag in ((31, 48, (41, 40)), (35, 54, (46, 47))):
        out = np.sign(landmarks[corner, 0]) * np.array([0.7 * cm, 0.0])
        beside = np.stack(
            [
                landmarks[nostril, :2] + 0.9 * out + [0, 0.3 * cm],
                0.5 * (landmarks[nostril, :2] + landmarks[corner, :2]) + 1.3 * out,
                landmarks[corner, :2] + out - [0, 0.5 * cm],
            ]
        )
        distance, along = line_distance(q, beside)
        folds = folds + np.exp(-((distance / (0.22 * cm)) ** 2)) * (1 - 0.6 * along)
        under = landmarks[list(bag), :2] - [0, 0.9 * cm]
        distance, _ = line_distance(q, under)
        folds = folds + 0.5 * np.exp(-((distance / (0.2 * cm)) ** 2))
    grain = value_noise(p / cm * 12.0, seed + 1)
    inwards = DEPTH * amount * (0.7 * lines + 0.45 * feet + folds) * (1 + 0.4 * wander)
    return cm * (PORES * grain - inwards)


def _groove(wave: np.ndarray) -> np.ndarray:
    """Narrow valleys in [0,1] from a sine in [-1,1]."""
    return np.maximum(wave, 0.0) ** 3

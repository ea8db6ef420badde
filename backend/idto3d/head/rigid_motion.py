# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations with a shift, and the one that lays points on points best."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RigidMotion:
    """x -> rotation @ x + shift, units."""

    rotation: np.ndarray  # (3,3), determinant 1
    shift: np.ndarray  # (3,)

    def apply(self, points: np.ndarray) -> np.ndarray:
        return points @ self.rotation.T + self.shift

    def undo(self, points: np.ndarray) -> np.ndarray:
        return (points - self.shift) @ self.rotation


def kabsch(source: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> RigidMotion:
    """The motion that lays points (N,3) on points (N,3) best (Kabsch 1976; no reflection).

    weight (N,): how much each counts in the least squares; None = all alike.
    """
    share = np.full(len(source), 1.0) if weight is None else weight
    share = (share / share.sum())[:, None]
    a, b = (share * source).sum(axis=0), (share * target).sum(axis=0)
    u, _, vt = np.linalg.svd((target - b).T @ (share * (source - a)))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(sign) @ vt
    return RigidMotion(rotation, b - rotation @ a)

# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lower jaw moves in each expression: a rigid motion, read off the skin of the chin."""

from dataclasses import dataclass

import numpy as np

from idto3d.head.regions import SKIN, face_centimetre
from idto3d.head.template import Template

# Of the chin's skin that other muscles than the jaw's also move, in face centimetres.
_STILLNESS = 0.15


@dataclass(frozen=True)
class RigidMotion:
    """x -> rotation x + shift, in unit space."""

    rotation: np.ndarray  # (3,3)
    shift: np.ndarray  # (3,)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (N,3) after the motion."""
        return points @ self.rotation.T + self.shift


def chin_weights(template: Template) -> np.ndarray:
    """How well each vertex (V,) tells of the jaw: most where nothing but jawOpen moves it."""
    positions = template.mean.numpy()
    marks = positions[template.landmarks.numpy()]
    cm = face_centimetre(marks)
    moves = np.linalg.norm(template.expression_basis.numpy(), axis=2) / cm
    names = template.expression_names
    opening = moves[names.index("jawOpen")]
    soft = [index for index, name in enumerate(names) if name.startswith(("mouth", "cheek"))]
    chin = (
        (template.part.numpy() == SKIN)
        & (opening > 0.25 * opening[template.landmarks[8]])
        & (positions[:, 1] < marks[57, 1] - 0.6 * cm)
        & (positions[:, 2] > marks[6, 2] - 0.2 * cm)
    )
    return np.where(chin, (_STILLNESS + moves[soft].max(axis=0)) ** -2, 0.0)


def jaw_motions(poses: np.ndarray, weights: np.ndarray) -> list[RigidMotion]:
    """From the first of the poses (K,V,3) to each: the best rigid motion of the weighted vertices.

    Least squares by the singular value decomposition (Kabsch 1976, Umeyama 1991).
    """
    chin = weights > 0
    weight = (weights[chin] / weights[chin].sum())[:, None]
    rest = poses[0, chin].astype(np.float64)
    middle = (weight * rest).sum(axis=0)
    motions = []
    for pose in poses:
        there = pose[chin].astype(np.float64)
        centre = (weight * there).sum(axis=0)
        left, _, right = np.linalg.svd(((rest - middle) * weight).T @ (there - centre))
        handedness = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        rotation = (left @ handedness @ right).T
        motions.append(RigidMotion(rotation, centre - rotation @ middle))
    return motions

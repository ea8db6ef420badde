# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lower jaw moves in each expression: a rigid motion, read off the skin of the chin."""

import numpy as np

from idto3d.head.regions import SKIN, face_centimetre
from idto3d.head.rigid_motion import RigidMotion, kabsch
from idto3d.head.template import Template

# Of the chin's skin that other muscles than the jaw's also move, in face centimetres.
_STILLNESS = 0.15


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
    """From the first of the poses (K,V,3) to each: the best motion of weighted vertices (V,)."""
    chin = weights > 0
    rest = poses[0, chin].astype(np.float64)
    return [kabsch(rest, pose[chin].astype(np.float64), weights[chin]) for pose in poses]

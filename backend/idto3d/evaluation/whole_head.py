# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a whole head is from the true one: the outer surface above the chin, hair included.

The face decides how the two are laid on each other (`geometry.TrueFace.compare`), since that is how
one looks at a person; here nothing is aligned any more. The neck is left out: where it is cut off
is a property of the mesh. Positions are in unit space, results in millimetres.
"""

import numpy as np

from idto3d.evaluation.geometry import (
    CHIN,
    MILLIMETRES,
    FaceDistance,
    Surface,
    seen_faces,
    triangles,
    weighted_median,
)
from idto3d.head.rigid_motion import RigidMotion

# Degrees from which the outside of a head is looked at; what none of them sees lies inside.
LOOK_FROM = [(yaw, pitch) for yaw in range(-180, 180, 45) for pitch in (-15, 20)] + [(0, 75)]


class TrueHead:
    """The head that others are measured against.

    vertices (V,3) with the hair's volume; faces (F,3); landmarks (68,) vertex indices.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, landmarks: np.ndarray) -> None:
        self._floor = vertices[landmarks[CHIN], 1]
        self._centres, self._areas, self._region = _outside(vertices, faces, self._floor)
        self._surface = Surface(vertices, faces)

    def distance(
        self, vertices: np.ndarray, faces: np.ndarray, motion: RigidMotion
    ) -> FaceDistance:
        """Of a subject (V,3), (F,3) that `motion` brings to the true head."""
        moved = motion.apply(vertices)
        centres, areas, region = _outside(moved, faces, self._floor)
        nearest, on_truth = self._surface.closest(centres[region])
        # A subject's point counts when what it is closest to does.
        kept = self._region[nearest]
        back = np.linalg.norm(centres[region][kept] - on_truth[kept], axis=1)
        points = self._centres[self._region]
        _, on_subject = Surface(moved, faces).closest(points)
        forth = np.linalg.norm(points - on_subject, axis=1)
        sides = [(forth, self._areas[self._region]), (back, areas[region][kept])]
        means = [float((gap * area).sum() / area.sum()) * MILLIMETRES for gap, area in sides]
        medians = [weighted_median(gap, area) * MILLIMETRES for gap, area in sides]
        return FaceDistance(float(np.mean(means)), float(np.mean(medians)), means[0], means[1])


def _outside(vertices: np.ndarray, faces: np.ndarray, floor: float) -> tuple[np.ndarray, ...]:
    """Centres (F,3), areas (F,) and which (F,) bool are seen from outside above a height."""
    centres, _, areas = triangles(vertices, faces)
    return centres, areas, seen_faces(vertices, faces, LOOK_FROM) & (centres[:, 1] > floor)

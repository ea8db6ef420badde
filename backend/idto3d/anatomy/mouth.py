# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the teeth go: behind the lips, between the cheeks, in every expression.

The upper arch is fixed to the skull, the lower one follows the jaw. Both are set as far to the
front and as wide as lips and cheeks allow in all the poses together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idto3d.anatomy import teeth
from idto3d.anatomy.flesh import Flesh
from idto3d.head.regions import face_centimetre
from idto3d.head.rigid_motion import RigidMotion

# All in face centimetres.
_OVERBITE, _OVERJET = 0.2, 0.32  # the upper incisors stand before and over the lower ones
_BELOW_LIPS = 0.2  # the upper incisors' edges below the line where the lips meet
_CLEARANCE = 0.05  # from the front teeth to the lips
_SETBACKS = (0.4, 1.6)  # of the upper incisors behind the line where the lips meet
_SIZES = (1.0, 0.95, 0.9, 0.85, 0.8)  # of the arches; the largest between the cheeks is taken
_AROUND = 7.0  # from the lips: the skin that can be in the teeth's way
_FRONT_TEETH = 8  # of an arch: those that the lips hide


@dataclass(frozen=True)
class MouthFrame:
    """How an arch's centimetres become unit space: scale x + origin, axes as the head's."""

    origin: np.ndarray  # (3,) of the upper arch
    scale: float

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Points (N,3) of the upper arch in unit space, in the first pose."""
        return self.origin + self.scale * points

    def lower(self, points: np.ndarray) -> np.ndarray:
        """Points (N,3) of the lower arch in unit space, in the first pose."""
        return self.origin + self.scale * (points + [0.0, _OVERBITE, -_OVERJET])


def fit_mouth(
    poses: np.ndarray, skin: np.ndarray, landmarks: np.ndarray, motions: Sequence[RigidMotion]
) -> MouthFrame:
    """Place the arches.

    poses (K,V,3), the first one neutral; skin (F,3) faces without eyes and tongue; landmarks (68,)
    vertex numbers; motions: the jaw's, K of them. A head without a mouth inside gets the smallest
    arches as far back as they may be.
    """
    marks = poses[0, landmarks].astype(np.float64)
    cm = face_centimetre(marks)
    lips = 0.5 * (marks[62] + marks[66])
    around = np.linalg.norm(poses[0] - lips, axis=1) < _AROUND * cm
    flesh = [Flesh(pose, skin, around) for pose in poses]
    upper = teeth.outer_points(teeth.UPPER, teeth.UPPER_ARCH, lower=False)
    lower = teeth.outer_points(teeth.LOWER, teeth.LOWER_ARCH, lower=True)
    front, back = slice(None, _FRONT_TEETH), slice(_FRONT_TEETH, None)

    def frame(size: float, setback: float) -> MouthFrame:
        origin = lips + cm * np.array([0.0, -_BELOW_LIPS, -setback])
        return MouthFrame(origin, size * cm)

    def room(frame: MouthFrame, which: slice, count: int) -> float:
        """The least distance of teeth to flesh in the first poses, in centimetres."""
        high = frame.upper(upper[which].reshape(-1, 3))
        low = frame.lower(lower[which].reshape(-1, 3))
        least = np.inf
        for mesh, motion in zip(flesh[:count], motions[:count], strict=True):
            least = min(least, float(mesh.room(np.concatenate([high, motion.apply(low)])).min()))
        return least / cm

    middle = 0.5 * sum(_SETBACKS)
    # Cheeks are thick, so the one neutral pose decides between them.
    fitting = (size for size in _SIZES if room(frame(size, middle), back, 1) >= 0.0)
    size = next(fitting, _SIZES[-1])
    near, far = _SETBACKS
    if room(frame(size, near), front, len(poses)) >= _CLEARANCE:
        return frame(size, near)
    while far - near > 0.05:
        between = 0.5 * (near + far)
        if room(frame(size, between), front, len(poses)) >= _CLEARANCE:
            far = between
        else:
            near = between
    return frame(size, far)

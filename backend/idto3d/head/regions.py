# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions of a head, placed by its 68 landmarks; lengths are in face centimetres.

A face centimetre is such that the outer corners of the eyes are 8.92 apart.
"""

import numpy as np

from idto3d.head.outlines import polygon_distance
from idto3d.head.template import CHIN, EYE_LEFT, EYE_RIGHT, JAW_ENDS, LIPS_OUTER

# Codes of a head's pieces; a template has the first four (`template.PARTS`).
SKIN, MOUTH, LEFT_EYE, RIGHT_EYE, TEETH = 0, 1, 2, 3, 4
OUTER_EYE_DISTANCE = 8.92
HAIRLINE, TEMPLE = 0.0, 0.8  # of usual hair, see `hair_mask`


def face_centimetre(landmarks: np.ndarray) -> float:
    """A face centimetre in the units of landmarks (68,3)."""
    return float(np.linalg.norm(landmarks[36, :2] - landmarks[45, :2]) / OUTER_EYE_DISTANCE)


def smoothstep(low: float | np.ndarray, high: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def value_noise(points: np.ndarray, seed: int) -> np.ndarray:
    """Trilinear value noise (N,) in [-1,1] at points (N,3), one cell a unit."""
    cell = np.floor(points).astype(np.int64)
    t = points - cell
    t = t * t * (3.0 - 2.0 * t)
    total = np.zeros(len(points))
    for corner in range(8):
        step = np.array([corner & 1, (corner >> 1) & 1, corner >> 2])
        key = (cell + step) @ np.array([374761393, 668265263, 2147483647])
        key = (key + seed * 1274126177) & 0xFFFFFFFF
        key = ((key ^ (key >> 13)) * 1274126177) & 0xFFFFFFFF
        value = ((key ^ (key >> 16)) & 0xFFFF) / 65535.0
        total += value * np.prod(np.where(step == 1, t, 1.0 - t), axis=1)
    return 2.0 * total - 1.0


def hair_mask(
    positions: np.ndarray,
    landmarks: np.ndarray,
    hairline: float = HAIRLINE,
    temple: float = TEMPLE,
    seed: int = 0,
) -> np.ndarray:
    """Weight (V,) in [0,1] of scalp hair: forehead line, temples, nape, free ears.

    hairline: height of the forehead's hairline above its mean, face centimetres. temple: how far
    it recedes at the temples. seed: of the strands at its edge.
    """
    cm = face_centimetre(landmarks)
    p = positions
    eye_height = landmarks[36, 1]
    forehead = landmarks[24, 1] + (4.6 + hairline) * cm
    temple_depth = landmarks[36, 2] - 2.6 * cm
    side = smoothstep(temple_depth + 0.6 * cm, temple_depth - (1.6 + 0.6 * temple) * cm, p[:, 2])
    recede = 0.9 * temple * cm
    recede = recede * np.exp(-(((np.abs(p[:, 0]) - 4.2 * cm) / (1.6 * cm)) ** 2))
    line = (forehead + recede) * (1 - side) + (eye_height - 1.2 * cm) * side
    back = landmarks[0, 2] - 5.5 * cm
    nape = smoothstep(back + 1.5 * cm, back - 1.0 * cm, p[:, 2])
    line = line * (1 - nape) + (landmarks[33, 1] - 3.6 * cm) * nape
    centre = ear_centre(landmarks)
    ear = np.exp(
        -(((p[:, 2] - centre[1]) / (2.6 * cm)) ** 2) - ((p[:, 1] - centre[0]) / (5.2 * cm)) ** 2
    )
    ear = ear * smoothstep(0.96, 1.02, np.abs(p[:, 0]) / landmarks[16, 0])
    strands = value_noise(p / cm * np.array([5.0, 1.8, 5.0]), seed + 21)
    cover = smoothstep(-0.35 * cm, 0.5 * cm, p[:, 1] - line + 0.3 * cm * strands)
    return cover * (1 - smoothstep(0.25, 0.6, ear))


def ear_centre(landmarks: np.ndarray) -> np.ndarray:
    """Height and depth (2,) of the ears' middle, from the nose bridge and the jaw's ends."""
    cm = face_centimetre(landmarks)
    return np.array([landmarks[28, 1] + 2.4 * cm, landmarks[0, 2] - 3.8 * cm])


def bare_face(positions: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(V,) bool: between chin and hair, before the ears, away from eyes, brows and lips."""
    cm = face_centimetre(landmarks)
    height, across = positions[:, 1], positions[:, :2]
    brows = landmarks[[19, 24], 1].mean()
    inside = (height > landmarks[CHIN, 1] + 0.3 * cm) & (height < brows + 3.0 * cm)
    inside &= positions[:, 2] > landmarks[JAW_ENDS, 2].mean()
    for outline, margin in ((EYE_RIGHT, 0.9), (EYE_LEFT, 0.9), (LIPS_OUTER, 0.4)):
        inside &= polygon_distance(across, landmarks[outline, :2]) > margin * cm
    return inside

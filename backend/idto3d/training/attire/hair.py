# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair that leaves the scalp: hanging around the head, tied into a tail or a bun.

Short and curly hair and beards are a thickening of the head's own surface (`texture/paint.py`).
"""

import numpy as np

from idto3d.anatomy.pieces import grid_faces
from idto3d.head.regions import ear_centre, face_centimetre, smoothstep, value_noise
from idto3d.training.attire.surfaces import Worn, ball, still, tube

ROWS, COLUMNS = 48, 120  # of the curtain, down and around
ROUGHNESS = 0.6
LEAST_HEIGHT = -0.62  # where the longest hair ends, units; the head's neck ends at -0.465


def hanging(
    head: np.ndarray, landmarks: np.ndarray, colour: np.ndarray, random: np.random.Generator
) -> Worn:
    """A curtain of hair (closed, with an inside) around the sides and the back of a head.

    head (V,3) with its short hair, landmarks (68,3), unit space; colour (3,) sRGB. From each height
    on it hangs straight down from where the head is widest above.
    """
    cm = face_centimetre(landmarks)
    ear = ear_centre(landmarks)
    axis = ear[1] - 1.0 * cm
    # Beside the cheeks or behind the ears, where each side of the curtain ends.
    opening = np.radians(random.uniform(62, 100))
    around = np.linspace(opening, 2 * np.pi - opening, COLUMNS)
    top = landmarks[36, 1] + random.uniform(9.5, 11.0) * cm
    length = landmarks[8, 1] + random.uniform(-6.0, 4.0) * cm
    ragged = 0.5 * cm * value_noise(np.stack([around * 6, 0 * around, 0 * around], 1), 5)
    share = np.linspace(0.0, 1.0, ROWS)[:, None]
    low = np.maximum(length + ragged, LEAST_HEIGHT)
    height = top + (low - top) * share
    reach = np.maximum.accumulate(_radius(head, height, around, axis, cm), axis=0)
    down = (top - height) / cm
    # From within the short hair outwards, and a little together below the chin.
    reach = reach + 0.15 * cm - (0.9 * cm) * (1 - smoothstep(0.0, 5.0, down))
    together = random.uniform(0.0, 0.25) * smoothstep(12.0, 28.0, down)
    locks = value_noise(_flat(around[None] * 9, down * 0.12), int(random.integers(1 << 20)))
    locks = locks.reshape(down.shape)
    wave = random.uniform(0.0, 0.35) * np.sin(down * random.uniform(0.6, 1.2) + 3 * locks)
    thick = random.uniform(0.7, 2.2) * smoothstep(0.0, 9.0, down) * (0.8 + 0.3 * locks)
    # Thin at the ends and where the curtain opens.
    edge = np.minimum(around - opening, 2 * np.pi - opening - around)[None]
    thick = thick * (0.35 + 0.65 * smoothstep(1.0, 0.75, share))
    thick = thick * (0.4 + 0.6 * smoothstep(0.0, 0.3, edge))
    inner = reach * (1 - together) + wave * cm * smoothstep(8.0, 14.0, down)
    outer = inner + np.maximum(thick, 0.12) * cm
    shell = np.concatenate([outer, inner[:, ::-1], outer[:, :1]], axis=1)
    turn = np.concatenate([around, around[::-1], around[:1]])
    levels = np.concatenate([height, height[:, ::-1], height[:, :1]], axis=1)
    points = np.stack([shell * np.sin(turn), levels, axis + shell * np.cos(turn)], axis=-1)
    faces = grid_faces(ROWS, 2 * COLUMNS + 1)[:, ::-1]
    # Its lower edge, from the outer to the inner side.
    last = (ROWS - 1) * (2 * COLUMNS + 1)
    column = np.arange(COLUMNS - 1)
    out, within = last + column, last + 2 * COLUMNS - 1 - column
    rim = np.concatenate(
        [np.stack([out, within, out + 1], 1), np.stack([out + 1, within, within - 1], 1)]
    )
    depth = np.concatenate(
        [np.ones_like(outer), np.full_like(inner, 0.45), np.ones_like(outer[:, :1])], axis=1
    )
    strands = value_noise(_flat(turn[None] * 60 + 4 * wave[:, :1], (top - levels) / cm * 0.05), 31)
    shade = np.clip(1 + 0.25 * strands, 0.3, 2.0) * depth.ravel()
    painted = np.clip(colour * shade[:, None], 0, 1)
    everything = np.concatenate([faces, rim])
    return still(points.reshape(-1, 3), everything, painted, ROUGHNESS, 1.0, 0.85)


def tied(
    head: np.ndarray, landmarks: np.ndarray, colour: np.ndarray, random: np.random.Generator
) -> Worn:
    """A bun or a tail at the back of a head (V,3); landmarks (68,3), unit space."""
    cm = face_centimetre(landmarks)
    middle = np.abs(head[:, 0]) < 1.5 * cm
    back = head[middle & (head[:, 2] < 0)]
    level = landmarks[36, 1] + random.uniform(-1.0, 8.0) * cm
    row = back[np.abs(back[:, 1] - level) < 1.2 * cm]
    knot = np.array([0.0, level, row[:, 2].min() + 0.4 * cm])
    if random.random() < 0.45:
        size = random.uniform(2.4, 3.8) * cm
        vertices, faces = ball(knot - np.array([0, 0, 0.5 * size]), size * np.array([1, 0.9, 0.8]))
        turn = np.arctan2(vertices[:, 1] - knot[1], vertices[:, 0])
        strands = np.sin(9 * turn + 3 * np.linalg.norm(vertices - knot, axis=1) / cm)
        vertices = vertices + 0.12 * cm * strands[:, None] * (vertices - knot) / size
    else:
        fall = random.uniform(8.0, 20.0) * cm
        share = np.linspace(0, 1, 24)
        out = random.uniform(2.0, 4.5) * cm
        curve = knot + np.stack(
            [
                0.6 * cm * random.uniform(-1, 1) * share,
                0.8 * cm * np.sin(np.pi * np.minimum(3 * share, 1)) - fall * share**1.3,
                -out * np.sin(0.5 * np.pi * np.minimum(4 * share, 1)) + 0.4 * out * share,
            ],
            axis=1,
        )
        full = random.uniform(1.4, 2.6) * cm
        swell = np.minimum(0.45 + 2.2 * share, 1) * (1 - smoothstep(0.6, 1.0, share))
        radius = full * swell + 0.15 * cm
        vertices, faces = tube(curve, radius)
        strands = value_noise(vertices / cm * np.array([2.0, 0.3, 2.0]), 17)
    shade = np.clip(1 + 0.25 * strands, 0.3, 2.0)
    return still(vertices, faces, np.clip(colour * shade[:, None], 0, 1), ROUGHNESS, 1.0, 0.9)


def _radius(
    head: np.ndarray, height: np.ndarray, around: np.ndarray, axis: float, cm: float
) -> np.ndarray:
    """(R,C) how far the head reaches from the vertical axis at heights (R,C) and angles (C,)."""
    x, z = head[:, 0], head[:, 2] - axis
    angle = np.arctan2(x, z) % (2 * np.pi)
    radius = np.hypot(x, z)
    found = np.zeros(height.shape)
    step = around[1] - around[0]
    for column, turn in enumerate(around):
        beside = np.abs((angle - turn + np.pi) % (2 * np.pi) - np.pi) < 2.5 * step
        y, r = head[beside, 1], radius[beside]
        for row, level in enumerate(height[:, column]):
            near = np.abs(y - level) < 0.7 * cm
            found[row, column] = r[near].max() if near.any() else 0.0
    return found


def _flat(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points (N,3) in a plane for noise, from broadcast coordinates."""
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)

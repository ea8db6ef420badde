# SPDX-License-Identifier: GPL-3.0-or-later
"""A sphere, for eyeballs and for what is worn."""

import numpy as np

RINGS, SEGMENTS = 14, 24


def sphere_points() -> np.ndarray:
    """(P,3) on the unit sphere with its poles on the Z axis: an eye's pupil looks along +Z."""
    polar = np.linspace(0.0, np.pi, RINGS + 1)[1:-1]
    around = np.arange(SEGMENTS) * 2.0 * np.pi / SEGMENTS
    ring = np.stack(
        [
            np.outer(np.sin(polar), np.cos(around)),
            np.outer(np.sin(polar), np.sin(around)),
            np.repeat(np.cos(polar)[:, None], SEGMENTS, axis=1),
        ],
        axis=-1,
    )
    return np.concatenate([[[0.0, 0.0, 1.0]], ring.reshape(-1, 3), [[0.0, 0.0, -1.0]]])


def sphere_faces() -> np.ndarray:
    """(F,3) int64 into `sphere_points`, outward."""
    rings, segments = RINGS - 1, SEGMENTS
    faces = []
    for s in range(segments):
        n = (s + 1) % segments
        faces.append((0, 1 + s, 1 + n))
        for r in range(rings - 1):
            top, below = 1 + r * segments, 1 + (r + 1) * segments
            faces += [(top + s, below + s, below + n), (top + s, below + n, top + n)]
        last = 1 + (rings - 1) * segments
        faces.append((last + s, 1 + rings * segments, last + n))
    return np.array(faces, dtype=np.int64)

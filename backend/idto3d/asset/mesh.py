# SPDX-License-Identifier: GPL-3.0-or-later
"""The meshes that the asset stages hand on, and the way from unit space to metres."""

from dataclasses import dataclass

import numpy as np

from idto3d.settings import HEAD_METRES


@dataclass(frozen=True)
class PosedMesh:
    """One canonical surface and K poses of it that share its vertices and faces.

    All in unit space (right-handed, Y up, +Z out of the face); faces are counter-clockwise seen
    from outside.
    """

    canonical: np.ndarray  # (V,3) float32: mouth slightly open, where the material field lives
    displacement: np.ndarray  # (K,V,3) float32: pose k is canonical + displacement[k]
    faces: np.ndarray  # (F,3) int64

    @property
    def poses(self) -> np.ndarray:
        """Positions of every pose, (K,V,3) float32."""
        return self.canonical[None] + self.displacement


def neck_base(vertices: np.ndarray) -> np.ndarray:
    """The middle of the lowest part of a head (V,3), the asset's origin: (3,) float32.

    The lowest part is the lowest twentieth of the height: a neck's cut is seldom quite level.
    """
    height = vertices[:, 1]
    low, high = float(height.min()), float(height.max())
    rim = vertices[height <= low + 0.05 * (high - low)]
    middle = 0.5 * (rim.min(axis=0) + rim.max(axis=0))
    return np.array([middle[0], low, middle[2]], dtype=np.float32)


def to_metres(positions: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Unit space (…,3) to metres with `origin` (3,), a point of unit space, at zero."""
    return ((positions - origin) * HEAD_METRES).astype(np.float32)

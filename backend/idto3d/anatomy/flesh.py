# SPDX-License-Identifier: GPL-3.0-or-later
"""How far points are from the skin of one part of the face, in one pose."""

import numpy as np
import torch

from idto3d.head.signed_distance import TriangleMesh
from idto3d.render.normals import vertex_normals


class Flesh:
    """The skin near a place, as it is in one pose.

    positions (V,3) of the whole head, unit space; skin (F,3) faces without eyes and tongue; near
    (V,) bool: the vertices that count.
    """

    def __init__(self, positions: np.ndarray, skin: np.ndarray, near: np.ndarray) -> None:
        faces = torch.from_numpy(skin[near[skin].all(axis=1)])
        vertices = torch.from_numpy(positions).float()
        self._faces = faces
        self._normals = vertex_normals(vertices, faces)
        self._vertices = vertices
        self._mesh = TriangleMesh(vertices, faces)

    def room(self, points: np.ndarray) -> np.ndarray:
        """Distance of points (N,3) to the skin: (N,) in units, negative within the flesh.

        The sign is that of the smooth normal where the skin is nearest: a winding number would need
        the whole head, and fifty times as long.
        """
        wanted = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
        face, barycentric = self._mesh.closest_point(wanted)
        corners, weight = self._faces[face], barycentric[..., None]
        away = wanted - (weight * self._vertices[corners]).sum(dim=1)
        outside = (away * (weight * self._normals[corners]).sum(dim=1)).sum(dim=1) >= 0
        distance = away.norm(dim=1)
        return torch.where(outside, distance, -distance).numpy()

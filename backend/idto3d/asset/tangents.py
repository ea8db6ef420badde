# SPDX-License-Identifier: GPL-3.0-or-later
"""Tangent frames as engines rebuild them, so that a baked normal map means the same there.

The rules are MikkTSpace's (Mikkelsen 2008, "Simulation of Wrinkled Surfaces Revisited"), which
glTF prescribes and Blender computes by itself: a face's tangent is projected into the plane of
the vertex normal, made unit, and averaged by the corner's angle.
"""

import numpy as np


def vertex_tangents(
    positions: np.ndarray, normals: np.ndarray, uv: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """Tangents (V,4) float32: unit xyz, and w = +-1 with bitangent = w * cross(normal, tangent).

    positions, normals: (V,3); uv: (V,2) with v downwards (glTF); faces: (F,3) over vertices
    that are split at UV seams. The bitangent points up in the image, as glTF's green channel
    does. A vertex whose faces have no area in UV gets any tangent square to its normal.
    """
    corners = positions[faces].astype(np.float64)
    flat = uv[faces] * np.array([1.0, -1.0])
    side_1, side_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    flat_1, flat_2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    area = flat_1[:, 0] * flat_2[:, 1] - flat_2[:, 0] * flat_1[:, 1]
    sign = np.where(area < 0, -1.0, 1.0)
    along_u = (side_1 * flat_2[:, 1:] - side_2 * flat_1[:, 1:]) * sign[:, None]
    total = np.zeros(positions.shape)
    handed = np.zeros(len(positions))
    for corner in range(3):
        vertex = faces[:, corner]
        angle = _corner_angle(corners, corner)
        tangent = _unit(_reject(along_u, normals[vertex])) * angle[:, None]
        np.add.at(total, vertex, tangent)
        np.add.at(handed, vertex, sign * angle)
    fallback = np.eye(3)[np.abs(normals).argmin(axis=1)]
    lost = np.linalg.norm(total, axis=1) < 1e-9
    total = np.where(lost[:, None], fallback, total)
    result = np.empty((len(positions), 4), dtype=np.float32)
    result[:, :3] = _unit(_reject(total, normals))
    result[:, 3] = np.where(handed < 0, -1.0, 1.0)
    return result


def _corner_angle(corners: np.ndarray, corner: int) -> np.ndarray:
    here = corners[:, corner]
    to_next, to_previous = corners[:, (corner + 1) % 3] - here, corners[:, corner - 1] - here
    cosine = np.einsum("fd,fd->f", _unit(to_next), _unit(to_previous))
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def _reject(vectors: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """What is left of vectors (N,3) after taking away their part along unit normals (N,3)."""
    return vectors - np.einsum("nd,nd->n", vectors, normals)[:, None] * normals


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20)

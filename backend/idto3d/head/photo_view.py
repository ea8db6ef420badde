# SPDX-License-Identifier: GPL-3.0-or-later
"""A head seen as a photograph sees it: which vertices show, and the normals at its pixels."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from idto3d.head.photo_pose import DISTANCE, PhotoPose
from idto3d.identity.intrinsic_images import Square
from idto3d.render.cameras import CLOSE_UP_WIDTH, FACE_CENTRE, HEAD_CENTRE, HEAD_WIDTH
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import Fragments, interpolate, rasterize

DEPTH_MAP = 384  # pixels of the map that decides what a photo sees
# A vertex this far (units) behind the nearest surface is hidden.
BEHIND = 0.012
SUPERSAMPLE = 2


def head_and_face(pose: PhotoPose) -> list[Square]:
    """The whole head and the face alone in a photo, framed as the training's pictures are."""
    frames = ((HEAD_CENTRE, HEAD_WIDTH), (FACE_CENTRE, CLOSE_UP_WIDTH))
    squares = []
    for centre, width in frames:
        x, y, depth = pose.project(np.array([centre]))[0]
        squares.append(Square(np.array([x, y]), width * pose.focal * DISTANCE / depth))
    return squares


def visible(pose: PhotoPose, positions: np.ndarray, faces: Tensor) -> np.ndarray:
    """(V,) bool: no other part of the head hides vertex (V,3) from the camera. faces (F,3)."""
    projected = pose.project(positions)
    low, high = projected[:, :2].min(axis=0), projected[:, :2].max(axis=0)
    square = Square(0.5 * (low + high), float((high - low).max()) * 1.02)
    buffer = _rasterized(pose, positions, faces, square, DEPTH_MAP).depth[0].numpy()
    place = (projected[:, :2] - square.centre) / square.side + 0.5
    cell = np.clip((place * DEPTH_MAP).astype(int), 0, DEPTH_MAP - 1)
    return buffer[cell[:, 1], cell[:, 0]] > projected[:, 2] - DISTANCE - BEHIND


def normals_seen(
    pose: PhotoPose, positions: np.ndarray, faces: Tensor, square: Square, size: int
) -> np.ndarray:
    """(size,size,3) float32 unit normals in camera space, zero beside the head (V,3), (F,3)."""
    fragments = _rasterized(pose, positions, faces, square, size * SUPERSAMPLE)
    normals = vertex_normals(torch.from_numpy(positions.astype(np.float32)), faces)
    turned = normals @ torch.from_numpy(pose.rotation.T.astype(np.float32))
    pixels = interpolate(turned, fragments, faces) * fragments.mask
    joined = torch.cat([pixels, fragments.mask], dim=-1).movedim(-1, 1)
    pooled = functional.avg_pool2d(joined, SUPERSAMPLE)[0].movedim(0, -1)
    full = pooled[..., 3:] > 0.999
    return (functional.normalize(pooled[..., :3], dim=-1, eps=1e-6) * full).numpy()


def _rasterized(
    pose: PhotoPose, positions: np.ndarray, faces: Tensor, square: Square, size: int
) -> Fragments:
    projected = pose.project(positions)
    depth = projected[:, 2]
    place = (projected[:, :2] - square.centre) / square.side * 2
    clip = np.stack(
        [place[:, 0] * depth, -place[:, 1] * depth, (depth - DISTANCE) * depth, depth], axis=1
    )
    return rasterize(torch.from_numpy(clip.astype(np.float32))[None], faces, size, size)

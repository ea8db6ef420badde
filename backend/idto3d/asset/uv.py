# SPDX-License-Identifier: GPL-3.0-or-later
"""The UV atlas: charts cut, flattened and packed by xatlas."""

from dataclasses import dataclass

import numpy as np
import xatlas


@dataclass(frozen=True)
class UvLayout:
    """A mesh whose vertices are split where charts meet."""

    faces: np.ndarray  # (F,3) int64 into the split vertices, in the order of the faces passed in
    uv: np.ndarray  # (U,2) float32 in [0,1], glTF convention: v grows downwards in the image
    original: np.ndarray  # (U,) int64: the vertex that each split vertex came from
    sheet: np.ndarray  # (3,2) float32: uv of the reserved rectangle's corner and its two sides


def unwrap(
    vertices: np.ndarray,
    faces: np.ndarray,
    texture_size: int,
    sheet: tuple[float, float] | None = None,
) -> UvLayout:
    """Flatten a mesh into one square texture.

    vertices: (V,3) float, faces: (F,3) int. texture_size: side in texels; it sets the gutter
    between charts, 4 texels at 1024, so that the second mip level still separates them. sheet:
    width and height of a rectangle that is kept free for other things, in the vertices' unit, as
    finely resolved as the mesh.
    Nothing is random: the same mesh gives the same layout. Raises ValueError when xatlas drops
    faces, which happens only for a broken mesh.
    """
    packing = xatlas.PackOptions()
    packing.resolution = texture_size
    packing.padding = max(2, texture_size // 256)
    # xatlas turns charts by swapping u and v, which mirrors them: paint would come out mirrored.
    packing.rotate_charts = False
    atlas = xatlas.Atlas()
    atlas.add_mesh(
        np.ascontiguousarray(vertices, dtype=np.float32),
        np.ascontiguousarray(faces, dtype=np.uint32),
    )
    if sheet is not None:
        atlas.add_mesh(*_rectangle(*sheet))
    # Default chart options: a head falls into about a hundred charts, stretched by 1.07 at most
    # over 95 % of it. More cost or iterations give no fewer, xatlas bounds a chart's curvature.
    atlas.generate(pack_options=packing)
    original, split_faces, uv = atlas[0]
    if len(split_faces) != len(faces):
        raise ValueError(f"unwrapping kept {len(split_faces)} of {len(faces)} faces")
    # xatlas scales each axis to [0,1] on its own; texels must stay square.
    side = max(atlas.width, atlas.height)

    def square(uv: np.ndarray) -> np.ndarray:
        uv = uv * np.array([atlas.width / side, atlas.height / side], dtype=np.float32)
        # Its v grows upwards; taken as it comes, the texture would show the face mirrored.
        uv[:, 1] = 1 - uv[:, 1]
        return uv.astype(np.float32)

    free = np.zeros((3, 2), dtype=np.float32)
    if sheet is not None:
        corner, _, found = atlas[1]
        corners = square(found)[np.argsort(corner)]
        start, along, down = corners[0], corners[1] - corners[0], corners[2] - corners[0]
        if along[0] * down[1] < along[1] * down[0]:  # a turn that mirrors, whatever was asked
            start, along = start + along, -along
        free = np.stack([start, along, down])
    return UvLayout(split_faces.astype(np.int64), square(uv), original.astype(np.int64), free)


def _rectangle(width: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """A flat mesh that xatlas makes one chart of; corners: origin, along u, down v, opposite."""
    corners = [[0, 0, 0], [width, 0, 0], [0, -height, 0], [width, -height, 0]]
    return np.array(corners, dtype=np.float32), np.array([[0, 2, 1], [1, 2, 3]], dtype=np.uint32)

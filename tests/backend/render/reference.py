# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain torch twins of the renderer's kernels: slow, obvious, differentiable by autograd."""

import math

import torch
from torch import Tensor


def pixel_rays(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Normalised device coordinates of pixel centres, each (H,W); row 0 at the top."""
    x = (2 * torch.arange(width) + 1) / width - 1
    y = 1 - (2 * torch.arange(height) + 1) / height
    return x.expand(height, width), y[:, None].expand(height, width)


def barycentric_of_all(clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """(F,H,W,3) perspective-correct barycentric coordinates of each pixel in each face's plane.

    clip: (V,4). Solves for the weights whose mix of corners lies on the pixel's ray.
    """
    x, y = pixel_rays(height, width)
    corner = clip[faces]  # (F,3,4)
    w = corner[:, :, None, None, 3]
    a = corner[:, :, None, None, 0] - x * w
    b = corner[:, :, None, None, 1] - y * w
    edge = [a[:, (k + 1) % 3] * b[:, (k + 2) % 3] - a[:, (k + 2) % 3] * b[:, (k + 1) % 3]
            for k in range(3)]  # fmt: skip
    edges = torch.stack(edge, -1)
    return edges / edges.sum(-1, keepdim=True)


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int):
    """face (H,W) int, barycentric (H,W,3), depth (H,W) by testing every face at every pixel."""
    weights = barycentric_of_all(clip, faces, height, width)
    corner = clip[faces]
    z = (weights * corner[:, None, None, :, 2]).sum(-1)
    w = (weights * corner[:, None, None, :, 3]).sum(-1)
    depth = z / w
    in_front = (corner[..., 3] > 0).all(1)[:, None, None]
    covered = (weights >= 0).all(-1) & in_front & (depth >= -1) & (depth < 1)
    nearest = torch.where(covered, depth, 9.0)
    value, face = nearest.min(0)
    empty = value == 9.0
    index = face[None, ..., None].expand(1, height, width, 3)
    chosen = weights.gather(0, index)[0]
    chosen = torch.where(empty[..., None], torch.zeros(()), chosen)
    return torch.where(empty, -1, face), chosen, torch.where(empty, torch.ones(()), value)


def interpolate(attributes: Tensor, face: Tensor, barycentric: Tensor, faces: Tensor) -> Tensor:
    """attributes (V,C), one image: (H,W,C)."""
    corner = attributes[faces[face.clamp(min=0).long()]]  # (H,W,3,C)
    return (barycentric[..., None] * corner).sum(-2) * (face >= 0)[..., None]


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """vertices (V,3): area-weighted unit normals (V,3)."""
    a, b, c = vertices[faces].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(0, faces[:, corner], normal)
    return total / total.norm(dim=-1, keepdim=True)


def crossings(clip: Tensor, faces: Tensor, face: Tensor, depth: Tensor) -> dict:
    """(axis, row, column) of the pair's first pixel -> (edge's two vertices, distance).

    One image: clip (V,4), face and depth (H,W). A visible silhouette edge passes between the pair
    at this distance from the pixel on its inner side; where several do, the outermost.
    """
    height, width = face.shape
    x = 0.5 * (clip[:, 0] / clip[:, 3] + 1) * width - 0.5
    y = 0.5 * (1 - clip[:, 1] / clip[:, 3]) * height - 0.5
    position, z = torch.stack([x, y], 1).tolist(), (clip[:, 2] / clip[:, 3]).tolist()
    corners_beyond: dict[tuple[int, int], list[int]] = {}
    for corners in faces.tolist():
        for k in range(3):
            edge = (min(corners[k - 2], corners[k - 1]), max(corners[k - 2], corners[k - 1]))
            corners_beyond.setdefault(edge, []).append(corners[k])
    seen = torch.where(face < 0, 9.0, depth).tolist()
    found: dict[tuple[int, int, int], tuple[tuple[int, int], float]] = {}
    for (a, b), beyond in corners_beyond.items():
        for axis in (0, 1):
            run, scan = axis, 1 - axis
            if position[a][scan] == position[b][scan]:
                continue

            def along(value: float, a=a, b=b, run=run, scan=scan) -> tuple[float, float]:
                """Where the edge's line passes a scan line, and the fraction from a to b."""
                share = (value - position[a][scan]) / (position[b][scan] - position[a][scan])
                return position[a][run] + share * (position[b][run] - position[a][run]), share

            sides = [position[c][run] < along(position[c][scan])[0] for c in beyond]
            if len(sides) == 2 and sides[0] != sides[1]:
                continue
            lines, columns = (height, width) if axis == 0 else (width, height)
            for line in range(lines):
                where, share = along(float(line))
                first = math.floor(where)
                if not (0 <= share <= 1 and 0 <= first < columns - 1):
                    continue
                row, column = (line, first) if axis == 0 else (first, line)
                neighbour = (row, column + 1) if axis == 0 else (row + 1, column)
                if face[row, column] == face[neighbour]:
                    continue
                near = seen[row][column]
                far = seen[neighbour[0]][neighbour[1]]
                distance = where - first
                if not sides[0]:
                    near, far, distance = far, near, 1 - distance
                if near < far and z[a] + share * (z[b] - z[a]) < far:
                    key = (axis, row, column)
                    if key not in found or found[key][1] < distance:
                        found[key] = ((a, b), distance)
    return found


def assert_same_gradient(actual: Tensor, expected: Tensor, relative: float = 1e-3) -> None:
    """Cosine at least 0.999 and relative L2 distance at most `relative`."""
    assert expected.norm() > 0
    cosine = torch.nn.functional.cosine_similarity(actual.flatten(), expected.flatten(), dim=0)
    assert cosine >= 0.999, f"cosine {cosine}"
    distance = (actual - expected).norm() / expected.norm()
    assert distance <= relative, f"relative L2 distance {distance}"

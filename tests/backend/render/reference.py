# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain torch twins of the renderer's kernels: slow, obvious, differentiable by autograd."""

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


def assert_same_gradient(actual: Tensor, expected: Tensor, relative: float = 1e-3) -> None:
    """Cosine at least 0.999 and relative L2 distance at most `relative`."""
    assert expected.norm() > 0
    cosine = torch.nn.functional.cosine_similarity(actual.flatten(), expected.flatten(), dim=0)
    assert cosine >= 0.999, f"cosine {cosine}"
    distance = (actual - expected).norm() / expected.norm()
    assert distance <= relative, f"relative L2 distance {distance}"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles to pixels: which face each pixel centre sees and where on that face.

Two Warp kernels, the same code on CPU and CUDA. The first runs per triangle and keeps the nearest
depth and face of each pixel in one 64-bit minimum; meshes here have triangles of about a pixel,
so a loop over the bounding box wastes little. The second recomputes each pixel's barycentric
coordinates from its face, which is the part that carries gradients.

Image row 0 is the top. Pixel (row, column) has its centre at column + 0.5, row + 0.5.
"""

from dataclasses import dataclass
from typing import Any

import torch
import warp as wp
from torch import Tensor

from . import kernels
from .launch import array, launch
from .silhouette import blend_silhouettes, half_edge_partners


@dataclass(frozen=True)
class Fragments:
    """What each pixel centre of B images sees."""

    face: Tensor  # (B,H,W) int32, index into faces, -1 where empty
    barycentric: Tensor  # (B,H,W,3) float32, perspective-correct; zero where empty
    depth: Tensor  # (B,H,W) float32, z/w in [-1,1], 1 where empty; carries no gradient

    @property
    def mask(self) -> Tensor:
        """(B,H,W,1) float32, one where a face is seen."""
        return (self.face >= 0).float().unsqueeze(-1)


class _Barycentric(torch.autograd.Function):
    """clip (B,V,4), faces (F,3) int32, face (B,H,W) -> barycentric (B,H,W,3), depth (B,H,W)."""

    @staticmethod
    def forward(context: Any, clip: Tensor, faces: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        barycentric = torch.zeros(*face.shape, 3, device=clip.device)
        depth = torch.ones(face.shape, device=clip.device)
        launch(
            kernels.barycentric,
            face.shape,
            [array(clip, wp.vec4), array(faces, wp.vec3i), array(face)],
            [array(barycentric, wp.vec3), array(depth)],
        )
        context.save_for_backward(clip, faces, face, barycentric, depth)
        context.mark_non_differentiable(depth)
        return barycentric, depth

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        clip, faces, face, barycentric, depth = context.saved_tensors
        clip_gradient = torch.zeros_like(clip)
        launch(
            kernels.barycentric,
            face.shape,
            [array(clip, wp.vec4), array(faces, wp.vec3i), array(face)],
            [array(barycentric, wp.vec3), array(depth)],
            [array(clip_gradient, wp.vec4), None, None],
            [array(gradients[0].contiguous(), wp.vec3),
             array(torch.zeros_like(depth))],
        )  # fmt: skip
        return clip_gradient, None, None


class _Interpolate(torch.autograd.Function):
    """attributes (1 or B,V,C) and fragments -> image (B,H,W,C)."""

    @staticmethod
    def forward(
        context: Any, attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor
    ) -> Tensor:
        image = torch.zeros(*face.shape, attributes.shape[2], device=attributes.device)
        launch(
            kernels.interpolate,
            face.shape,
            [array(attributes), array(faces, wp.vec3i), array(face),
             array(barycentric, wp.vec3)],
            [array(image)],
        )  # fmt: skip
        context.save_for_backward(attributes, barycentric, faces, face, image)
        return image

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        attributes, barycentric, faces, face, image = context.saved_tensors
        attribute_gradient = torch.zeros_like(attributes)
        barycentric_gradient = torch.zeros_like(barycentric)
        launch(
            kernels.interpolate,
            face.shape,
            [array(attributes), array(faces, wp.vec3i), array(face),
             array(barycentric, wp.vec3)],
            [array(image)],
            [array(attribute_gradient), None, None,
             array(barycentric_gradient, wp.vec3)],
            [array(gradients[0].contiguous())],
        )  # fmt: skip
        return attribute_gradient, barycentric_gradient, None, None


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The nearest face at each pixel centre.

    clip: (B,V,4) float32 OpenGL clip positions; faces: (F,3) integer, both sides are seen.
    Triangles that reach behind the camera are dropped; between equal depths the lower face index
    wins, so the result is the same on each run. `barycentric` is differentiable with respect to
    clip; visibility is not: `antialias` adds that gradient.
    """
    clip = clip.contiguous().float()
    faces = faces.to(torch.int32).contiguous()
    shape = (clip.shape[0], height, width)
    key = torch.full(shape, -1, dtype=torch.int64, device=clip.device)
    face = torch.empty(shape, dtype=torch.int32, device=clip.device)
    key_array = array(key, wp.uint64)
    launch(
        kernels.nearest_face,
        (clip.shape[0], faces.shape[0]),
        [array(clip, wp.vec4), array(faces, wp.vec3i), height, width],
        [key_array],
    )
    launch(kernels.unpack_face, shape, [key_array], [array(face)])
    barycentric, depth = _Barycentric.apply(clip, faces, face)
    return Fragments(face, barycentric, depth)


def interpolate(attributes: Tensor, fragments: Fragments, faces: Tensor) -> Tensor:
    """Vertex attributes (V,C) or (B,V,C) at each pixel: (B,H,W,C) float32, zero where empty.

    Differentiable with respect to the attributes and to the barycentric coordinates.
    """
    if attributes.dim() == 2:
        attributes = attributes.unsqueeze(0)
    return _Interpolate.apply(
        attributes.contiguous().float(),
        fragments.barycentric.contiguous(),
        faces.to(torch.int32).contiguous(),
        fragments.face,
    )


def antialias(
    image: Tensor,
    fragments: Fragments,
    clip: Tensor,
    faces: Tensor,
    partners: Tensor | None = None,
) -> Tensor:
    """Image (B,H,W,C) of these fragments with silhouettes blended by their exact position.

    Differentiable with respect to the image and, through the blend, to clip (B,V,4): the gradient
    of outlines. Each pixel becomes a convex combination of itself and its neighbours. faces must
    be consistently oriented; borders of open meshes count as silhouettes. partners: the result
    of `half_edge_partners(faces)`, worth keeping while the faces stay the same.
    Concatenate channels rather than call it twice.
    """
    return blend_silhouettes(
        image,
        clip.contiguous().float(),
        faces.to(torch.int32).contiguous(),
        half_edge_partners(faces) if partners is None else partners,
        fragments.face,
        fragments.depth,
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex normals and the camera-space normal maps that the geometry prior looks at."""

from typing import Any

import torch
import torch.nn.functional as functional
import warp as wp
from torch import Tensor

from . import kernels
from .cameras import Cameras, transform
from .launch import array, launch
from .rasterize import antialias, interpolate, nearest_faces, project, rasterize


class _AreaNormals(torch.autograd.Function):
    """vertices (B,V,3), faces (F,3) int32 -> sum of face cross products at each vertex (B,V,3)."""

    @staticmethod
    def forward(context: Any, vertices: Tensor, faces: Tensor) -> Tensor:
        total = torch.zeros_like(vertices)
        launch(
            kernels.area_normals,
            (len(vertices), len(faces)),
            [array(vertices, wp.vec3), array(faces, wp.vec3i)],
            [array(total, wp.vec3)],
        )
        context.save_for_backward(vertices, faces, total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        vertices, faces, total = context.saved_tensors
        vertex_gradient = torch.zeros_like(vertices)
        launch(
            kernels.area_normals,
            (len(vertices), len(faces)),
            [array(vertices, wp.vec3), array(faces, wp.vec3i)],
            [array(total, wp.vec3)],
            [array(vertex_gradient, wp.vec3), None],
            [array(gradients[0].contiguous(), wp.vec3)],
        )
        return vertex_gradient, None


class _NormalColours(torch.autograd.Function):
    """World normals (B,H,W,3), rotation (B,3,3), face (B,H,W) -> RGB and coverage (B,H,W,4)."""

    @staticmethod
    def forward(context: Any, normal: Tensor, rotation: Tensor, face: Tensor) -> Tensor:
        colour = torch.empty(*face.shape, 4, device=normal.device)
        rotation = rotation.contiguous()
        context.save_for_backward(normal, rotation, face, colour)
        _NormalColours._launch(normal, rotation, face, colour)
        return colour

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        normal, rotation, face, colour = context.saved_tensors
        normal_gradient = torch.zeros_like(normal)
        _NormalColours._launch(
            normal, rotation, face, colour, (normal_gradient, gradients[0].contiguous())
        )
        return normal_gradient, None, None

    @staticmethod
    def _launch(
        normal: Tensor,
        rotation: Tensor,
        face: Tensor,
        colour: Tensor,
        gradients: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """The kernel, or with the gradients of normal and colour its adjoint."""
        launch(
            kernels.normal_colours,
            (len(face), face[0].numel()),
            [
                array(normal.flatten(1, 2), wp.vec3),
                array(rotation, wp.mat33),
                array(face.flatten(1)),
            ],
            [array(colour.flatten(1, 2), wp.vec4)],
            gradients and [array(gradients[0].flatten(1, 2), wp.vec3), None, None],
            gradients and [array(gradients[1].flatten(1, 2), wp.vec4)],
        )


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (...,V,3) of vertices (...,V,3); faces (F,3) counter-clockwise from outside.

    The area-weighted mean of the faces around each vertex; a vertex without faces gets a zero
    normal. Differentiable.
    """
    flat = vertices.reshape(-1, *vertices.shape[-2:]).contiguous().float()
    total = _AreaNormals.apply(flat, faces.to(torch.int32).contiguous())
    # Cross products at fine resolution are near 1e-6: the guard must stay far below.
    return functional.normalize(total, dim=-1, eps=1e-20).reshape(vertices.shape)


def camera_normals_image(
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    size: int,
    antialiased: bool = True,
    partners: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Smooth normals in camera space as an RGB image.

    vertices: (V,3) or (B,V,3) world; cameras: B of them; size: height and width in pixels.
    Returns image (B,size,size,3) in [0,1], RGB = (n + 1) / 2 with +X right, +Y up, +Z toward the
    viewer, on white, and mask (B,size,size,1). With `antialiased` both are blended across
    silhouettes and carry the silhouette's gradient; partners as in `antialias`.
    """
    clip = transform(vertices, cameras)
    faces = faces.to(torch.int32).contiguous()
    fragments = rasterize(clip, faces, size, size)
    normal = interpolate(vertex_normals(vertices, faces), fragments, faces)
    image = _NormalColours.apply(normal, cameras.view[:, :3, :3], fragments.face)
    if antialiased:
        image = antialias(image, fragments, clip, faces, partners)
    return image[..., :3], image[..., 3:]


@torch.no_grad()
def supersampled_normals(
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    size: int,
    factor: int = 2,
    normals: Tensor | None = None,
) -> Tensor:
    """Camera-space normal maps (B,size,size,3) on white of (V,3) or (B,V,3), `factor` squared
    samples a pixel, without gradients. normals: the result of `vertex_normals`, worth keeping while
    the vertices stay."""
    return supersampled(vertices, faces, cameras, size, None, factor, normals)[0]


@torch.no_grad()
def supersampled(
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    size: int,
    colours: Tensor | None,
    factor: int = 2,
    normals: Tensor | None = None,
) -> list[Tensor]:
    """`supersampled_normals`, and with colours (V,3) in [0,1] their picture on white beside it."""
    clip = transform(vertices, cameras).contiguous().float()
    faces = faces.to(torch.int32).contiguous()
    large = size * factor
    key = nearest_faces(project(clip, large, large), faces, large, large)
    if normals is None:
        normals = vertex_normals(vertices, faces)
    seen = [array(key, wp.uint64), array(clip, wp.vec4), array(faces, wp.vec3i)]
    pictures = [torch.empty(len(clip), size, size, 3, device=clip.device)]
    normal = normals.expand(len(clip), -1, -1).contiguous()
    rotation = cameras.view[:, :3, :3].contiguous()
    launch(
        kernels.mean_normal_colours,
        pictures[0].shape[:3],
        [*seen, array(normal, wp.vec3), array(rotation, wp.mat33), factor],
        [array(pictures[0], wp.vec3)],
    )
    if colours is not None:
        pictures.append(torch.empty_like(pictures[0]))
        paint = colours.expand(len(clip), -1, -1).contiguous()
        launch(
            kernels.mean_colours,
            pictures[1].shape[:3],
            [*seen, array(paint, wp.vec3), factor],
            [array(pictures[1], wp.vec3)],
        )
    return pictures

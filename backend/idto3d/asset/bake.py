# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking: the material, the fine shape and the occlusion, written into the UV layout's texels.

Everything that a texel needs lives in canonical space, so no rays are cast from the simplified
surface: a texel knows its canonical position, the material is evaluated there, and the fine
surface's normal is that of the nearest canonical point.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from idto3d.head.signed_distance import TriangleMesh
from idto3d.render.rasterize import Fragments, interpolate, rasterize

# Canonical points (N,3) in unit space -> (N,5): sRGB albedo (3), roughness, metallic, in [0,1].
MaterialFunction = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Maps:
    """The three textures of the asset, (S,S,3) uint8, row 0 at v = 0."""

    albedo: np.ndarray  # sRGB
    normal: np.ndarray  # tangent space, (n+1)/2, green up (OpenGL and glTF)
    orm: np.ndarray  # occlusion, roughness, metallic; linear


@dataclass(frozen=True)
class BakeSurface:
    """The simplified mesh as the baker sees it, over vertices that are split at seams."""

    faces: torch.Tensor  # (F,3) int64
    uv: torch.Tensor  # (U,2), v downwards
    canonical: torch.Tensor  # (U,3) unit space
    normals: torch.Tensor  # (U,3) unit normals of the neutral pose
    tangents: torch.Tensor  # (U,4) of the neutral pose
    occlusion: torch.Tensor  # (U,) in [0,1]
    own: torch.Tensor  # (U,5) material that covers the field's
    share: torch.Tensor  # (U,) in [0,1], of `own`; parts outside canonical space have 1


@dataclass(frozen=True)
class FineSurface:
    """The full-resolution mesh that the normal map remembers."""

    canonical: torch.Tensor  # (V,3) unit space
    faces: torch.Tensor  # (F,3) int64
    normals: torch.Tensor  # (V,3) unit normals of the neutral pose


@torch.no_grad()
def bake(surface: BakeSurface, fine: FineSurface, material: MaterialFunction, size: int) -> Maps:
    """Albedo, normal and occlusion-roughness-metallic maps of size x size texels.

    `material` is called with at most 2^18 points at a time. Texels outside the charts repeat the
    nearest one inside, so no filter ever reads an empty texel.
    """
    fragments = rasterize_layout(surface.uv, surface.faces, size)
    inside = fragments.face[0] >= 0
    attributes = torch.cat(
        [
            surface.canonical,
            surface.normals,
            surface.tangents,
            surface.occlusion[:, None],
            surface.own,
            surface.share[:, None],
        ],
        dim=1,
    )
    texels = interpolate(attributes, fragments, surface.faces)[0][inside]
    canonical, normals, tangents, occlusion, values, share = texels.split([3, 3, 4, 1, 5, 1], dim=1)
    head = share[:, 0] < 0.999
    under = torch.cat([material(chunk) for chunk in canonical[head].split(2**18)])
    values[head] = torch.lerp(under, values[head], share[head])
    detail = torch.zeros_like(normals)
    detail[:, 2] = 1.0  # what is wholly covered has no finer shape
    finer = _fine_normals(canonical[head], normals[head], fine)
    detail[head] = _tangent_space(finer, normals[head], tangents[head])
    orm = torch.cat([occlusion, values[:, 3:5]], dim=1)
    layers = torch.cat([values[:, :3], 0.5 * detail + 0.5, orm], dim=1)
    image = _fill_outside(layers.cpu().numpy(), inside.cpu().numpy())
    return Maps(*(np.ascontiguousarray(image[:, :, start : start + 3]) for start in (0, 3, 6)))


def rasterize_layout(uv: torch.Tensor, faces: torch.Tensor, size: int) -> Fragments:
    """Which face covers each texel's centre: uv (U,2), faces (F,3) -> (1,size,size) fragments."""
    clip = torch.zeros(1, len(uv), 4, device=uv.device)
    clip[0, :, 0] = 2 * uv[:, 0] - 1
    clip[0, :, 1] = 1 - 2 * uv[:, 1]
    clip[0, :, 3] = 1
    return rasterize(clip, faces, size, size)


def _fine_normals(
    canonical: torch.Tensor, normals: torch.Tensor, fine: FineSurface
) -> torch.Tensor:
    """The fine surface's neutral normals at canonical points: (N,3), unit.

    Where the nearest point looks away from the coarse normal it belongs to another part (the
    inside of a lip, the eyeball below a lid): there the coarse normal stays.
    """
    face, barycentric = TriangleMesh(fine.canonical, fine.faces).closest_point(canonical)
    corners = fine.normals[fine.faces[face]]
    found = torch.nn.functional.normalize((barycentric[:, :, None] * corners).sum(dim=1), dim=1)
    coarse = torch.nn.functional.normalize(normals, dim=1)
    agrees = (found * coarse).sum(dim=1, keepdim=True) > 0.3
    return torch.where(agrees, found, coarse)


def _tangent_space(
    vectors: torch.Tensor, normals: torch.Tensor, tangents: torch.Tensor
) -> torch.Tensor:
    """World vectors (N,3) in the frame of interpolated normals (N,3) and tangents (N,4).

    The frame is used as it comes, neither unit nor orthogonal, because that is how engines
    decode it (Mikkelsen 2008): x T + y B + z N, with B = w N x T.
    """
    tangent = tangents[:, :3]
    bitangent = torch.linalg.cross(normals, tangent) * tangents[:, 3:].sign()
    frame = torch.stack([tangent, bitangent, normals], dim=2)
    local = torch.linalg.solve(frame, vectors[:, :, None])[:, :, 0]
    return torch.nn.functional.normalize(local, dim=1)


def _fill_outside(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Spread texel values (N,C) in [0,1] over the whole image: (S,S,C) uint8.

    inside: (S,S) bool with N true texels, in row order. The others take the nearest one's value.
    """
    image = np.zeros((*inside.shape, values.shape[1]), dtype=np.uint8)
    image[inside] = np.rint(np.clip(values, 0.0, 1.0) * 255)
    rows, columns = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return image[rows, columns]

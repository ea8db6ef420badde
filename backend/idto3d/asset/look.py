# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished head looks like: the light mesh with its baked maps, drawn as an engine does.

Only what is in the glTF is used (light mesh, atlas, three maps), so a fault of the bake shows.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.asset.build import HeadModel
from idto3d.asset.tangents import vertex_tangents
from idto3d.render.cameras import Cameras, transform
from idto3d.render.environment import EnvironmentLight
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.render.shade import linear_to_srgb, shade, tone_map

# Each pixel is the mean of SUPERSAMPLING^2 samples.
SUPERSAMPLING = 2


@dataclass(frozen=True)
class _Seen:
    """The surface at the N samples that one picture shows."""

    inside: Tensor  # (S,S) bool, N of them true
    position: Tensor  # (N,3)
    normal: Tensor  # (N,3) unit, world, with the normal map applied
    albedo: Tensor  # (N,3) sRGB
    orm: Tensor  # (N,3) occlusion, roughness, metallic


@dataclass(frozen=True)
class Portrait:
    """Two pictures of one view, (size,size,3) in [0,1], on the CPU."""

    textured: Tensor  # sRGB, as the screen shows it, on grey
    normals: Tensor  # camera space, (n+1)/2, the normal map included, on white


def draw(
    model: HeadModel,
    pose: int,
    camera: Cameras,
    size: int,
    light: EnvironmentLight,
    background: float = 0.93,
) -> Portrait:
    """One pose in one light.

    pose: index into `model.expressions`. camera: a batch of one. size: pixels of a side.
    background: sRGB grey behind the textured head.
    """
    seen = _see(model, pose, camera, size)
    toward_camera = functional.normalize(camera.position - seen.position, dim=1)
    linear = shade(
        seen.albedo, seen.orm[:, 1:2], seen.orm[:, 2:3], seen.normal, toward_camera, light
    )
    # The split sum knows no shadows: occlusion stands in for them.
    colour = linear_to_srgb(tone_map(linear * seen.orm[:, :1]))
    normals = 0.5 * seen.normal @ camera.view[0, :3, :3].T + 0.5
    return Portrait(
        _downsample(_scatter(colour, seen.inside, background)),
        _downsample(_scatter(normals, seen.inside, 1.0)),
    )


@torch.no_grad()
def _see(model: HeadModel, pose: int, camera: Cameras, size: int) -> _Seen:
    faces = torch.from_numpy(model.faces)
    positions, normals = model.positions[pose], model.normals[pose]
    tangents = vertex_tangents(positions, normals, model.uv, model.faces)
    attributes = np.concatenate([positions, normals, tangents, model.uv], axis=1)
    side = size * SUPERSAMPLING
    fragments = rasterize(transform(torch.from_numpy(positions), camera), faces, side, side)
    inside = fragments.face[0] >= 0
    values = interpolate(torch.from_numpy(attributes), fragments, faces)[0][inside]
    position, normal, tangent, uv = values.split([3, 3, 4, 2], dim=1)
    maps = model.maps
    albedo, local, orm = (_sample(image, uv) for image in (maps.albedo, maps.normal, maps.orm))
    bitangent = torch.linalg.cross(normal, tangent[:, :3]) * tangent[:, 3:].sign()
    x, y, z = (2 * local - 1).split(1, dim=1)
    bent = functional.normalize(x * tangent[:, :3] + y * bitangent + z * normal, dim=1)
    return _Seen(inside, position, bent, albedo, orm)


def _sample(image: np.ndarray, uv: Tensor) -> Tensor:
    """Bilinear look-up of an (S,S,3) uint8 map at uv (N,2), v downwards: (N,3) in [0,1]."""
    channels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    grid = (2 * uv - 1)[None, None]
    found = functional.grid_sample(channels, grid, padding_mode="border", align_corners=False)
    return found[0, :, 0].T


def _scatter(colour: Tensor, inside: Tensor, background: float) -> Tensor:
    image = torch.full((*inside.shape, 3), background)
    image[inside] = colour.clamp(0, 1)
    return image


def _downsample(image: Tensor) -> Tensor:
    channels = functional.avg_pool2d(image.permute(2, 0, 1)[None], SUPERSAMPLING)
    return channels[0].permute(1, 2, 0)

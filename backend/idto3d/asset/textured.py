# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera sees of a finished head: the light mesh with its maps, filtered as engines do.

A map that is seen small is read from a smaller copy of itself (Williams 1983, "Pyramidal
parametrics"), between the two nearest sizes, as the glTF file's own sampler asks. The size follows
from how many texels each triangle has for a pixel. Colours are averaged as light, not as sRGB.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.asset.bake import Maps
from idto3d.asset.build import HeadModel
from idto3d.asset.tangents import vertex_tangents
from idto3d.render.cameras import Cameras, transform
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.render.shade import linear_to_srgb, srgb_to_linear

SMALLEST = 16  # texels of a side: below, the charts of an atlas run into each other


@dataclass(frozen=True)
class Seen:
    """The surface at the N pixels of one picture that show it."""

    inside: Tensor  # (S,S) bool, N of them true
    position: Tensor  # (N,3)
    normal: Tensor  # (N,3) unit, world
    albedo: Tensor  # (N,3) sRGB
    orm: Tensor  # (N,3) occlusion, roughness, metallic


class MapPyramid:
    """The three maps and their smaller copies."""

    def __init__(self, maps: Maps) -> None:
        layers = np.concatenate([maps.albedo, maps.normal, maps.orm], axis=2)
        whole = torch.from_numpy(layers).permute(2, 0, 1).float() / 255
        whole = torch.cat([srgb_to_linear(whole[:3]), whole[3:]])
        self.levels = [whole]
        while self.levels[-1].shape[-1] > SMALLEST:
            self.levels.append(functional.avg_pool2d(self.levels[-1][None], 2)[0])

    @property
    def size(self) -> int:
        """Texels of the largest map's side."""
        return self.levels[0].shape[-1]

    def sample(self, uv: Tensor, texels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Albedo as sRGB, normal as it is stored, and occlusion-roughness-metallic: (N,3) each.

        uv (N,2), v downwards; texels (N,): width in texels of the largest map of the spot that
        each sample stands for.
        """
        level = texels.clamp(min=1).log2().clamp(max=len(self.levels) - 1)
        below = level.floor().long()
        share = (level - below)[:, None]
        grid = 2 * uv - 1
        found = torch.zeros(len(uv), 9)
        for index, image in enumerate(self.levels):
            # Each sample lies between the level below it and the next.
            weight = torch.where(below == index, 1 - share[:, 0], 0.0)
            weight = torch.where(below == index - 1, share[:, 0], weight)
            here = weight > 0
            if here.any():
                found[here] += weight[here, None] * _bilinear(image, grid[here])
        return linear_to_srgb(found[:, :3]), found[:, 3:6], found[:, 6:]


class TexturedHead:
    """A head made ready to be drawn many times."""

    def __init__(self, model: HeadModel) -> None:
        self.model = model
        self.pyramid = MapPyramid(model.maps)
        self._faces = torch.from_numpy(model.faces)
        corners = torch.from_numpy(model.uv)[self._faces] * self.pyramid.size
        self.texels = _areas(corners)  # (F,) of the largest map, that each triangle covers
        self._attributes: dict[int, Tensor] = {}

    @torch.no_grad()
    def see(self, pose: int, camera: Cameras, size: int) -> Seen:
        """Pose `pose` of the model through one camera, `size` pixels square."""
        positions = torch.from_numpy(self.model.positions[pose])
        clip = transform(positions, camera)
        fragments = rasterize(clip, self._faces, size, size)
        inside = fragments.face[0] >= 0
        values = interpolate(self._of_pose(pose), fragments, self._faces)[0][inside]
        position, normal, tangent, uv = values.split([3, 3, 4, 2], dim=1)
        pixels = _areas((0.5 * size * clip[0, :, :2] / clip[0, :, 3:])[self._faces])
        width = (self.texels / pixels.clamp(min=1e-6)).sqrt()[fragments.face[0][inside].long()]
        albedo, local, orm = self.pyramid.sample(uv, width)
        bitangent = torch.linalg.cross(normal, tangent[:, :3]) * tangent[:, 3:].sign()
        x, y, z = (2 * local - 1).split(1, dim=1)
        bent = functional.normalize(x * tangent[:, :3] + y * bitangent + z * normal, dim=1)
        return Seen(inside, position, bent, albedo, orm)

    def _of_pose(self, pose: int) -> Tensor:
        """(U,12) position, normal, tangent and uv of each vertex."""
        if pose not in self._attributes:
            model = self.model
            positions, normals = model.positions[pose], model.normals[pose]
            tangents = vertex_tangents(positions, normals, model.uv, model.faces)
            both = np.concatenate([positions, normals, tangents, model.uv], axis=1)
            self._attributes[pose] = torch.from_numpy(both.astype(np.float32))
        return self._attributes[pose]


def _bilinear(image: Tensor, grid: Tensor) -> Tensor:
    """(C,S,S) at (N,2) in [-1,1]: (N,C)."""
    found = functional.grid_sample(
        image[None], grid[None, None], padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T


def _areas(corners: Tensor) -> Tensor:
    """Areas (F,) of triangles (F,3,2) in the plane."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).abs()

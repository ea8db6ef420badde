# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a head under environment light, the generated and the true one alike.

Both go through the same cameras, lights and shading. The generated head is what the artist gets,
the glTF's mesh and maps (`finished_head`); the true one is painted at its vertices.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as functional

from idto3d.asset.textured import Seen
from idto3d.render.cameras import Cameras, orbit, transform
from idto3d.render.eight_bits import eight_bits
from idto3d.render.environment import (
    EnvironmentLight,
    prefilter,
    procedural_environments,
    randomize,
)
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.render.shade import linear_to_srgb, shade, tone_map
from idto3d.training.people import Person

SUPERSAMPLE = 2
SHEET_SIZE = 256  # pixels of a portrait on a contact sheet before it is scaled to its cell
ENVIRONMENTS = 12
ENVIRONMENT_SEED = 4711  # maps that no head was textured under
# dlib's five points among the 68: left eye outer and inner, right eye outer and inner, nose base.
FIVE_POINTS = (45, 42, 36, 39, 33)


class Head(Protocol):
    """One expression of one head, ready for its portrait."""

    @property
    def five_points(self) -> np.ndarray:
        """(5,3) unit space, in the order of dlib's five points."""

    def see(self, camera: Cameras, size: int) -> Seen:
        """What one camera sees in a picture of size x size pixels."""


@dataclass(frozen=True)
class PaintedHead:
    """Materials at the vertices, in unit space."""

    vertices: np.ndarray  # (V,3) float32
    faces: np.ndarray  # (F,3) int64
    materials: np.ndarray  # (V,5) float32: sRGB albedo, roughness, metallic
    occlusion: np.ndarray  # (V,) float32, 1 = open sky
    marks: np.ndarray  # (5,) vertex indices, in the order of dlib's five points

    @property
    def five_points(self) -> np.ndarray:
        return self.vertices[self.marks]

    @torch.no_grad()
    def see(self, camera: Cameras, size: int) -> Seen:
        vertices, faces = torch.from_numpy(self.vertices), torch.from_numpy(self.faces)
        attributes = torch.cat(
            [
                vertices,
                vertex_normals(vertices, faces),
                torch.from_numpy(self.materials[:, :3]),
                torch.from_numpy(self.occlusion)[:, None],
                torch.from_numpy(self.materials[:, 3:]),
            ],
            dim=1,
        )
        fragments = rasterize(transform(vertices, camera), faces, size, size)
        inside = fragments.face[0] >= 0
        seen = interpolate(attributes, fragments, faces)[0][inside]
        position, normal, albedo, orm = seen.split(3, dim=1)
        return Seen(inside, position, functional.normalize(normal, dim=1, eps=1e-8), albedo, orm)


def true_head(person: Person, arkit: dict[str, float] | None = None) -> PaintedHead:
    """A synthetic person with hair, neutral or with an expression."""
    paint = person.paint
    metallic = np.zeros_like(paint.roughness)
    materials = np.concatenate([paint.albedo, np.stack([paint.roughness, metallic], 1)], axis=1)
    moved = person.neutral + person.displacement(arkit) if arkit else person.neutral
    return PaintedHead(
        moved.astype(np.float32),
        person.faces,
        materials.astype(np.float32),
        person.occlusion.astype(np.float32),
        person.landmarks[list(FIVE_POINTS)],
    )


def lights() -> list[EnvironmentLight]:
    """The environments that portraits are taken in."""
    maps = procedural_environments(ENVIRONMENTS, ENVIRONMENT_SEED)
    return [prefilter(environment) for environment in maps]


def even_light() -> EnvironmentLight:
    """All environments at once: bright from everywhere, to look at heads rather than at light."""
    maps = procedural_environments(ENVIRONMENTS, ENVIRONMENT_SEED)
    return prefilter(torch.stack(maps).mean(dim=0))


def random_lights(
    environments: list[EnvironmentLight], count: int, generator: torch.Generator
) -> list[EnvironmentLight]:
    """`count` different environments, each turned, tilted, tinted at random."""
    order = torch.randperm(len(environments), generator=generator)[:count].tolist()
    return [randomize(environments[index], generator) for index in order]


@torch.no_grad()
def take(
    head: Head,
    cameras: Cameras,
    light: list[EnvironmentLight],
    size: int,
    background: tuple[float, float, float] = (0.93, 0.93, 0.93),
) -> np.ndarray:
    """One picture for each of B cameras and B lights: (B,size,size,3) uint8 sRGB."""
    large = size * SUPERSAMPLE
    behind = torch.tensor(background)
    pictures = []
    for index in range(len(cameras)):
        seen = head.see(cameras[index], large)
        image = behind.expand(large, large, 3).clone()
        linear = radiance(seen, cameras[index], light[index])
        image[seen.inside] = linear_to_srgb(tone_map(linear)).clamp(0, 1)
        small = functional.avg_pool2d(image.permute(2, 0, 1)[None], SUPERSAMPLE)
        pictures.append(small[0].permute(1, 2, 0))
    return eight_bits(torch.stack(pictures))


def for_sheet(head: Head, light: EnvironmentLight) -> np.ndarray:
    """(2,SHEET_SIZE,SHEET_SIZE,3) uint8: from the front and turned by 45 degrees."""
    cameras = orbit(torch.tensor([0.0, 45.0]), 0.0, 2.6, (0.0, 0.0, 0.0), 20.0)
    return take(head, cameras, [light] * 2, SHEET_SIZE)


@torch.no_grad()
def radiance(seen: Seen, camera: Cameras, light: EnvironmentLight) -> torch.Tensor:
    """Linear RGB (N,3) that the N seen points send to one camera."""
    toward = functional.normalize(camera.position[0] - seen.position, dim=1)
    occlusion, roughness, metallic = seen.orm.split(1, dim=1)
    # The split sum knows no shadows: occlusion stands in for them.
    return shade(seen.albedo, roughness, metallic, seen.normal, toward, light) * occlusion

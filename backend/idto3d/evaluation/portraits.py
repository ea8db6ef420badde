# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a painted head under environment light, the generated and the true one alike."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from idto3d.head.template import Template
from idto3d.pictures import Finished
from idto3d.render.cameras import Cameras, transform
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
ENVIRONMENTS = 12
ENVIRONMENT_SEED = 4711  # maps that no head was textured under
# dlib's five points among the 68: left eye outer and inner, right eye outer and inner, nose base.
FIVE_POINTS = (45, 42, 36, 39, 33)


@dataclass(frozen=True)
class PaintedHead:
    """One neutral head with materials, in unit space."""

    vertices: np.ndarray  # (V,3) float32
    faces: np.ndarray  # (F,3) int64
    materials: np.ndarray  # (V,5) float32: sRGB albedo, roughness, metallic
    occlusion: np.ndarray  # (V,) float32, 1 = open sky
    five_points: np.ndarray  # (5,) vertex indices, in the order of dlib's five points


def generated_head(finished: Finished, fine: Template, expression: int = 0) -> PaintedHead:
    """One expression of a finished job, 0 the neutral face; `fine` is the subdivided template that
    it wraps."""
    return PaintedHead(
        finished.poses[expression].astype(np.float32),
        finished.faces,
        finished.materials[expression],
        fine.occlusion.numpy(),
        fine.landmarks.numpy()[list(FIVE_POINTS)],
    )


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
    head: PaintedHead,
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
        linear, inside = radiance(head, cameras[index], light[index], large)
        image = behind.expand(large, large, 3).clone()
        image[inside] = linear_to_srgb(tone_map(linear[inside])).clamp(0, 1)
        small = functional.avg_pool2d(image.permute(2, 0, 1)[None], SUPERSAMPLE)
        pictures.append(small[0].permute(1, 2, 0))
    return (torch.stack(pictures) * 255 + 0.5).to(torch.uint8).numpy()


@torch.no_grad()
def radiance(
    head: PaintedHead, camera: Cameras, light: EnvironmentLight, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What one camera sees: linear RGB (size,size,3), 0 beside the head, and where (size,size)."""
    vertices, faces = torch.from_numpy(head.vertices), torch.from_numpy(head.faces)
    attributes = torch.cat(
        [
            torch.from_numpy(head.materials),
            torch.from_numpy(head.occlusion)[:, None],
            vertex_normals(vertices, faces),
            vertices,
        ],
        dim=1,
    )
    fragments = rasterize(transform(vertices, camera), faces, size, size)
    inside = fragments.face[0] >= 0
    seen = interpolate(attributes, fragments, faces)[0][inside]
    normal = functional.normalize(seen[:, 6:9], dim=1, eps=1e-8)
    toward = functional.normalize(camera.position[0] - seen[:, 9:12], dim=1)
    linear = torch.zeros(size, size, 3)
    # The split sum knows no shadows: occlusion stands in for them.
    linear[inside] = (
        shade(seen[:, :3], seen[:, 3:4], seen[:, 4:5], normal, toward, light) * seen[:, 5:6]
    )
    return linear, inside

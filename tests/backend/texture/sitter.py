# SPDX-License-Identifier: GPL-3.0-or-later
"""A painted head whose true colours are known, and photographs of it."""

from dataclasses import dataclass

import numpy as np
import torch

from idto3d.assets import ASSETS
from idto3d.head.photo_pose import DISTANCE, FIVE_POINTS, PhotoPose, solve_pose
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, SKIN, smoothstep
from idto3d.head.template import Template, load_template
from idto3d.render.cameras import orbit, transform
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.render.shade import linear_to_srgb, srgb_to_linear
from idto3d.texture.first_colours import (
    FirstColours,
    first_colours,
)
from idto3d.texture.paint import Look, paint_head
from idto3d.texture.shots import Shot

SIZE = 512
LOOK = Look(skin=(0.72, 0.50, 0.39), hair=(0.12, 0.08, 0.06), iris=(0.3, 0.2, 0.1), seed=3)


@dataclass(frozen=True)
class Sitter:
    """A head whose true colours are known; a birthmark that no paint knows is on one cheek."""

    template: Template
    positions: np.ndarray  # (V,3)
    marks: np.ndarray  # (68,3)
    normals: np.ndarray  # (V,3)
    albedo: np.ndarray  # (V,3) sRGB
    birthmark: np.ndarray  # (V,) bool

    @property
    def part(self) -> np.ndarray:
        return self.template.part.numpy()

    def photo(self, yaw: float, light: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Picture (SIZE,SIZE,3) uint8 and five points (5,2), under light (V,) or none."""
        camera = orbit(yaw, 0.0, distance=DISTANCE)
        linear = srgb_to_linear(torch.from_numpy(self.albedo).float())
        if light is not None:
            linear = linear * torch.from_numpy(light).float()[:, None]
        clip = transform(self.template.mean, camera)
        fragments = rasterize(clip, self.template.faces, SIZE, SIZE)
        picture = interpolate(linear_to_srgb(linear), fragments, self.template.faces)
        picture = picture * fragments.mask + 0.5 * (1 - fragments.mask)
        pixels = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        five = clip[0, self.template.landmarks[list(FIVE_POINTS)]].numpy()
        points = (five[:, :2] / five[:, 3:] * [1, -1] + 1) * 0.5 * SIZE - 0.5
        return pixels, points

    def shot(self, photo: np.ndarray, pose: PhotoPose) -> Shot:
        return Shot(photo, pose, np.zeros_like(self.positions))

    def colours(self, *photos: tuple[np.ndarray, np.ndarray]) -> FirstColours:
        marks = self.marks[list(FIVE_POINTS)]
        shots = [self.shot(pixels, solve_pose(marks, five)) for pixels, five in photos]
        return first_colours(self.template, self.template.mean, shots, LOOK.skin)


def make_sitter(look: Look = LOOK, fine: bool = False) -> Sitter:
    """The template's own head, painted; fine: subdivided, as heads are generated."""
    template = load_template(ASSETS / "template" / "head.npz")
    template = template.subdivided() if fine else template
    positions = template.mean.numpy()
    marks, part = positions[template.landmarks.numpy()], template.part.numpy()
    normals = vertex_normals(template.mean, template.faces).numpy()
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    front = smoothstep(0.0, 0.3, normals[:, 2])
    albedo = paint_head(positions, marks, part, front, eyes, look).albedo
    cheek = marks[45] * [0.95, 0.0, 1.0] + [0.0, marks[30, 1], 0.02]
    birthmark = (np.linalg.norm(positions - cheek, axis=1) < 0.05) & (part == SKIN)
    albedo[birthmark] = (0.35, 0.16, 0.20)
    return Sitter(template, positions, marks, normals, albedo, birthmark)

# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's materials while they are optimised: first colours plus a learned field."""

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.head.signed_distance import TriangleMesh
from idto3d.render.cameras import Cameras, transform
from idto3d.render.environment import (
    EnvironmentLight,
    LightAugmentation,
    prefilter,
    randomize,
)
from idto3d.render.normals import vertex_normals
from idto3d.render.procedural import procedural_environments
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.render.shade import linear_to_srgb, shade
from idto3d.settings import TextureSettings
from idto3d.texture.first_colours import FirstColours
from idto3d.texture.layers import Places
from idto3d.texture.material_field import (
    ALBEDO,
    MaterialField,
    MaterialFieldSettings,
    add_residual,
)

SUPERSAMPLE = 2


class TextureModel(torch.nn.Module):
    """Materials over the canonical surface (V,3) of a head with poses (K,V,3), faces (F,3)."""

    def __init__(
        self,
        canonical: Tensor,
        poses: Tensor,
        faces: Tensor,
        colours: FirstColours,
        settings: TextureSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        device = canonical.device
        self.settings = settings
        self.poses, self.faces = poses, faces
        self.normals = vertex_normals(poses, faces)
        albedo = torch.from_numpy(colours.albedo).float()
        roughness = torch.from_numpy(colours.roughness).float()[:, None]
        base = torch.cat([albedo, roughness, torch.zeros_like(roughness)], dim=1)
        self.base = base.to(device)
        self._laid = colours.laid
        self.seen = torch.from_numpy(colours.seen).float().to(device)
        self.field = MaterialField(len(poses), MaterialFieldSettings(), generator, device)
        self._located = self.field.locate(canonical)
        self._mesh = TriangleMesh(canonical, faces)
        self._environments = procedural_environments(settings.environments)
        self._lights: dict[int, EnvironmentLight] = {}
        self._augmentation = LightAugmentation().scaled(settings.light_spread)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return self.field.parameter_groups(self.settings.learning_rate)

    def render(
        self,
        cameras: Cameras,
        chosen: Tensor,
        size: int,
        generator: torch.Generator,
        albedo_only: bool,
    ) -> tuple[Tensor, Tensor]:
        """Pictures (B,size,size,3) sRGB on white, and the penalty on the change so far.

        `chosen` (B,) expressions, one for each camera. Each picture shows plain albedo or, with
        the settings' `lit_share`, the head under a random light. With `albedo_only` roughness and
        metallic keep their first values (the first stage).
        """
        large = size * SUPERSAMPLE
        used, row = torch.unique(chosen, return_inverse=True)
        materials = self.field(self._located, self.base, used)
        if albedo_only:
            fixed = self.base[None, :, 3:].expand(len(used), -1, -1)
            materials = torch.cat([materials[..., ALBEDO], fixed], dim=-1)
        change = self._change(materials)
        fragments = rasterize(transform(self.poses[chosen], cameras), self.faces, large, large)
        attributes = torch.cat([materials[row], self.normals[chosen], self.poses[chosen]], dim=-1)
        pixels = interpolate(attributes, fragments, self.faces)
        pictures = []
        for index in range(len(chosen)):
            albedo = pixels[index, ..., ALBEDO]
            if torch.rand((), generator=generator) >= self.settings.lit_share:
                pictures.append(albedo)
                continue
            light = self._random_light(generator)
            pictures.append(
                _lit(pixels[index], fragments.mask[index], cameras.position[index], light)
            )
        image = torch.stack(pictures) * fragments.mask + 1 - fragments.mask
        pooled = functional.avg_pool2d(image.movedim(-1, 1), SUPERSAMPLE)
        return pooled.movedim(1, -1), change

    def material(self, points: Tensor) -> Tensor:
        """Materials (N,5) of the neutral face at canonical points (N,3), for the baker.

        Paint and photographs are as fine as the texture; what was learned lies on the vertices, as
        in every picture that it was learned from.
        """
        face, barycentric = self._mesh.closest_point(points)
        corners = self.faces[face]
        places = Places(corners.cpu().numpy(), barycentric.double().cpu().numpy())
        albedo = torch.from_numpy(self._laid.albedo(places)).to(points)
        others = self._between(self.base[:, ALBEDO.stop :], corners, barycentric)
        neutral = torch.zeros(1, dtype=torch.int64, device=points.device)
        learned = self.field.residual(self._located, neutral)[0]
        return add_residual(
            torch.cat([albedo, others], dim=1), self._between(learned, corners, barycentric)
        )

    @staticmethod
    def _between(values: Tensor, corners: Tensor, barycentric: Tensor) -> Tensor:
        """Values of the vertices (V,C) at places (N,3) of the surface: (N,C)."""
        return (values[corners] * barycentric[..., None]).sum(dim=1)

    def vertex_materials(self) -> Tensor:
        """(K,V,5) materials of every expression at the vertices."""
        return self.field(self._located, self.base)

    def _change(self, materials: Tensor) -> Tensor:
        """Squared distance from the first colours, dearer where photographs vouch for them."""
        weight = self.settings.smoothness + self.settings.photo_weight * self.seen
        return (weight[:, None] * (materials - self.base).square()).sum(-1).mean()

    def _random_light(self, generator: torch.Generator) -> EnvironmentLight:
        index = int(torch.randint(len(self._environments), (), generator=generator))
        if index not in self._lights:
            self._lights[index] = prefilter(self._environments[index]).to(self.base.device)
        return randomize(self._lights[index], generator, self._augmentation)


def _lit(pixels: Tensor, mask: Tensor, camera: Tensor, light: EnvironmentLight) -> Tensor:
    """sRGB (H,W,3) of interpolated materials, normals and positions (H,W,11); mask (H,W,1).

    Exposed so that a white head would be white on average: the prior takes what it sees for
    albedo, so a bright light would darken the skin and a dim one bleach it.
    """
    normal = functional.normalize(pixels[..., 5:8], dim=-1, eps=1e-8)
    view = functional.normalize(camera - pixels[..., 8:11], dim=-1)
    radiance = shade(pixels[..., :3], pixels[..., 3:4], pixels[..., 4:5], normal, view, light)
    covered = normal[mask[..., 0] > 0].detach()
    exposure = light.diffuse(covered).mean() if len(covered) else torch.ones(())
    return linear_to_srgb((radiance / exposure.clamp_min(1e-3)).clamp(0, 1))

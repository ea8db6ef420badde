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
from idto3d.render.rasterize import Fragments, interpolate, mean_on_white, rasterize
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

    @property
    def hair(self) -> tuple[float, float, float]:
        """The hair's sRGB colour as the photographs show it."""
        return self._laid.look.hair

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
        # What isn't learned now carries no gradient: shading then has less than half as much to do.
        fixed = self.base[:, ALBEDO.stop :] if albedo_only else self.base[:, :0]
        if albedo_only:
            materials = materials[..., ALBEDO]
        change = self._change(materials)
        lights = [self._draw_light(generator) for _ in range(len(chosen))]
        fragments = rasterize(transform(self.poses[chosen], cameras), self.faces, large, large)
        lit = any(light is not None for light in lights)
        wanted = materials if lit else materials[..., ALBEDO]
        pixels = interpolate(wanted[row], fragments, self.faces)
        pictures = [
            pixels[index, ..., ALBEDO]
            if light is None
            else self._lit(pixels[index], fixed, fragments.image(index), int(chosen[index]),
                           cameras.position[index], light)
            for index, light in enumerate(lights)
        ]  # fmt: skip
        samples = torch.stack(pictures) if lit else pixels
        return mean_on_white(samples, fragments, SUPERSAMPLE), change

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
        base = self.base[:, : materials.shape[-1]]
        return (weight[:, None] * (materials - base).square()).sum(-1).mean()

    def _lit(
        self,
        learned: Tensor,
        fixed: Tensor,
        fragments: Fragments,
        expression: int,
        camera: Tensor,
        light: EnvironmentLight,
    ) -> Tensor:
        """sRGB (H,W,3) of one image of fragments; camera (3,) is its centre.

        The pixels' materials (H,W,L) that are learned, and the vertices' others (V,5-L).
        Exposed so that a white head would be white on average: the prior takes what it sees for
        albedo, so a bright light would darken the skin and a dim one bleach it.
        """
        seen = fragments.face[0] >= 0
        shape = torch.cat([self.normals[expression], self.poses[expression], fixed], dim=-1)
        places = interpolate(shape, fragments, self.faces)[0][seen]
        normal = functional.normalize(places[:, :3], dim=-1, eps=1e-8)
        view = functional.normalize(camera - places[:, 3:6], dim=-1)
        skin = learned[seen]
        rough, metal = (places[:, 6:] if fixed.shape[1] else skin[:, 3:]).split(1, dim=-1)
        radiance = shade(skin[:, :3], rough, metal, normal, view, light)
        exposure = light.diffuse(normal).mean() if len(normal) else torch.ones(())
        colour = linear_to_srgb((radiance / exposure.clamp_min(1e-3)).clamp(0, 1))
        return torch.ones(*seen.shape, 3, device=colour.device).masked_scatter(
            seen[..., None], colour
        )

    def _draw_light(self, generator: torch.Generator) -> EnvironmentLight | None:
        """A random light for the settings' share of the pictures, None for the others."""
        if torch.rand((), generator=generator) >= self.settings.lit_share:
            return None
        index = int(torch.randint(len(self._environments), (), generator=generator))
        if index not in self._lights:
            self._lights[index] = prefilter(self._environments[index]).to(self.base.device)
        return randomize(self._lights[index], generator, self._augmentation)

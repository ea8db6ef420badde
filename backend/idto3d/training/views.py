# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of synthetic people: photo-like, camera-space normals, albedo, and template hints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.head.regions import SKIN
from idto3d.render.cameras import Cameras, transform
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.training.attire.surfaces import Worn
from idto3d.training.attire.wrinkles import Relief
from idto3d.training.people import Person

# Rendered at twice the size and averaged: cheap antialiasing of colours and silhouettes.
SUPERSAMPLE = 2


@dataclass(frozen=True)
class Views:
    """B pictures of each kind, (B,H,W,3) float32 sRGB in [0,1]."""

    photo: Tensor
    normal: Tensor  # (n+1)/2 in camera space on white
    albedo: Tensor  # on white


def render_views(
    person: Person,
    vertices: Tensor,
    cameras: Cameras,
    size: int,
    random: np.random.Generator,
    worn: Sequence[Worn] = (),
) -> Views:
    """Render `vertices` (B,V,3), one shape for each of B cameras, under random light."""
    counts = [len(person.neutral), *(len(each.albedo) for each in worn)]
    starts = np.cumsum([0, *counts[:-1]])
    meshes = [person.faces, *(each.faces for each in worn)]
    faces = torch.from_numpy(
        np.concatenate([mesh + start for mesh, start in zip(meshes, starts, strict=True)])
    )
    head = vertices.numpy()
    vertices = torch.from_numpy(
        np.concatenate([head, *(each.place(head) for each in worn)], axis=1).astype(np.float32)
    )
    clip = transform(vertices, cameras)
    large = size * SUPERSAMPLE
    fragments = rasterize(clip, faces, large, large)
    count = len(vertices)
    paint = person.paint
    own = _attributes(paint.albedo, person.occlusion, paint.roughness, paint.hair)
    others = [_attributes(w.albedo, w.occlusion, w.roughness, w.hair) for w in worn]
    painted = np.concatenate([own, *others])
    fixed = torch.from_numpy(painted.astype(np.float32)).expand(count, -1, -1)
    attributes = torch.cat([vertex_normals(vertices, faces), fixed], dim=-1)
    pixels = interpolate(attributes, fragments, faces)
    mask = fragments.mask
    normal = functional.normalize(pixels[..., :3], dim=-1, eps=1e-8)
    if person.relief is not None:
        rest = _rest(person, sum(counts))
        places = interpolate(rest.expand(count, -1, -1), fragments, faces)
        normal = _bent(normal, places, person.relief)
    rotation = cameras.view[:, :3, :3]
    normal = torch.einsum("bij,bhwj->bhwi", rotation, normal)
    albedo, occlusion = pixels[..., 3:6], pixels[..., 6:7]
    roughness, hair = pixels[..., 7:8], pixels[..., 8:9]
    shaded = torch.stack(
        [
            _shade(normal[i], albedo[i], occlusion[i], roughness[i], hair[i], random)
            for i in range(count)
        ]
    )
    background = torch.stack([_background(large, random) for _ in range(count)])
    photo = _pool(shaded * mask + background * (1 - mask))
    white = 1 - mask
    return Views(
        _to_srgb(photo),
        _pool((0.5 * normal + 0.5) * mask + white),
        _pool(_to_srgb(albedo) * mask + white),
    )


def _attributes(
    albedo: np.ndarray, occlusion: np.ndarray, roughness: np.ndarray, hair: np.ndarray
) -> np.ndarray:
    """(V,6): linear albedo, ambient visibility, roughness, hair weight."""
    return np.column_stack([_to_linear(albedo), occlusion, roughness, hair])


def _rest(person: Person, vertices: int) -> Tensor:
    """(V,4) of the head and what it wears: place on the bare neutral head, weight of its skin."""
    rest = np.zeros((vertices, 4), dtype=np.float32)
    rest[: len(person.bare), :3] = person.bare
    rest[: len(person.bare), 3] = (person.part == SKIN) * (1 - person.paint.hair)
    return torch.from_numpy(rest)


def _bent(normal: Tensor, rest: Tensor, relief: Relief) -> Tensor:
    """Normals (B,H,W,3) with wrinkles and pores where rest (B,H,W,4) is skin of the face."""
    where = (rest[..., 3] > 0.5) & (rest[..., 2] > 0)
    bent = relief.bend(normal[where].numpy(), rest[where][:, :3].numpy())
    out = normal.clone()
    out[where] = torch.from_numpy(bent.astype(np.float32))
    return out


def random_light(random: np.random.Generator) -> dict[str, Tensor]:
    """A key, a fill and an ambient light in camera space, with a slight colour cast."""
    azimuth, height = np.radians(random.uniform(-80, 80)), np.radians(random.uniform(-5, 65))
    warmth = random.uniform(-0.1, 0.1)
    cast = torch.tensor([1 + warmth, 1.0, 1 - warmth], dtype=torch.float32)
    key = [
        math.sin(azimuth) * math.cos(height),
        math.sin(height),
        math.cos(azimuth) * math.cos(height),
    ]
    return {
        "key": torch.tensor(key, dtype=torch.float32),
        "key colour": cast * float(random.uniform(0.5, 1.1)),
        "fill": functional.normalize(torch.tensor([-math.sin(azimuth), 0.1, 0.6]), dim=0),
        "fill colour": torch.full((3,), float(random.uniform(0.1, 0.45))),
        "ambient": (2 - cast) * float(random.uniform(0.2, 0.45)),
    }


def _shade(
    normal: Tensor,
    albedo: Tensor,
    occlusion: Tensor,
    roughness: Tensor,
    hair: Tensor,
    random: np.random.Generator,
) -> Tensor:
    """Linear colours (H,W,3): wrapped diffuse (red wraps furthest, as skin does) and highlights."""
    light = random_light(random)
    noise = torch.from_numpy(random.normal(size=normal.shape).astype(np.float32))
    bumpy = functional.normalize(normal + noise * (0.03 + 0.12 * hair), dim=-1)
    wrap = torch.tensor([0.32, 0.16, 0.12])
    open_sky = 0.35 + 0.65 * occlusion
    total = torch.zeros_like(albedo)
    shine = 2.0 / roughness.clamp_min(0.12) ** 4
    for name in ("key", "fill"):
        cosine = (bumpy * light[name]).sum(-1, keepdim=True)
        diffuse = ((cosine + wrap) / (1 + wrap)).clamp(0, 1)
        half = functional.normalize(light[name] + torch.tensor([0.0, 0.0, 1.0]), dim=0)
        gloss = (bumpy * half).sum(-1, keepdim=True).clamp(0, 1) ** shine
        gloss = 0.04 * gloss * (shine + 2).clamp_max(120) / 12 * (cosine * 4).clamp(0, 1)
        total = total + light[f"{name} colour"] * open_sky * (albedo * diffuse + gloss)
    sky = 0.5 + 0.5 * normal[..., 1:2]
    return total + albedo * light["ambient"] * occlusion * (0.75 + 0.25 * sky)


def _background(size: int, random: np.random.Generator) -> Tensor:
    """A soft two-colour gradient with blobs, linear colours (size,size,3)."""
    small = torch.from_numpy(random.uniform(0.05, 0.9, (1, 3, 3, 3)).astype(np.float32))
    colour = torch.from_numpy(random.uniform(0.05, 0.9, (1, 3, 1, 1)).astype(np.float32))
    mixed = 0.5 * small + 0.5 * colour
    smooth = functional.interpolate(mixed, size=(size, size), mode="bicubic", align_corners=True)
    return smooth[0].clamp(0, 1).permute(1, 2, 0)


def _pool(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image.movedim(-1, 1), SUPERSAMPLE).movedim(1, -1)


def _to_linear(colour: np.ndarray) -> np.ndarray:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _to_srgb(colour: Tensor) -> Tensor:
    clipped = colour.clamp(0, 1)
    curve = 1.055 * clipped.clamp_min(1e-8) ** (1 / 2.4) - 0.055
    return torch.where(clipped <= 0.0031308, 12.92 * clipped, curve)

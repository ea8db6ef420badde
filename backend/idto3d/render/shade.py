# SPDX-License-Identifier: GPL-3.0-or-later
"""Shading by image-based light, and colour between linear light and the screen.

The material is the core of Blender's Principled BSDF: base colour, roughness, metallic, with
reflectance 0.04 at normal incidence for what is not metal.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor

from .brdf import split_sum_table
from .environment import EnvironmentLight

DIELECTRIC_REFLECTANCE = 0.04


def srgb_to_linear(colour: Tensor) -> Tensor:
    """sRGB in [0,1] to linear light (IEC 61966-2-1)."""
    # The power's derivative must not meet a negative number in the branch not taken.
    curve = ((colour.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(colour <= 0.04045, colour / 12.92, curve)


def linear_to_srgb(colour: Tensor) -> Tensor:
    """Linear light to sRGB (IEC 61966-2-1); values above one stay above one."""
    curve = 1.055 * colour.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(colour <= 0.0031308, colour * 12.92, curve)


def tone_map(colour: Tensor) -> Tensor:
    """Linear light (...,3) without bound to linear [0,1]: the Khronos PBR Neutral curve.

    Colours below about 0.8 keep their hue and, but for an offset that undoes the Fresnel haze of
    dielectrics, their value; highlights are compressed and lose saturation toward white.
    Formula: Khronos Group, "PBR Neutral Tone Mapper", specification of 2024.
    """
    start, desaturation = 0.8 - DIELECTRIC_REFLECTANCE, 0.15
    colour = colour.clamp(min=0)
    low = colour.amin(-1, keepdim=True)
    haze = torch.where(low < 0.08, low - 6.25 * low * low, DIELECTRIC_REFLECTANCE)
    colour = colour - haze
    peak = colour.amax(-1, keepdim=True)
    room = 1 - start
    compressed = 1 - room * room / (peak.clamp(min=start) + room - start)
    scaled = colour * (compressed / peak.clamp(min=start))
    grey = 1 - 1 / (desaturation * (peak - compressed).clamp(min=0) + 1)
    return torch.where(peak < start, colour, torch.lerp(scaled, compressed, grey))


def shade(
    albedo_srgb: Tensor,
    roughness: Tensor,
    metallic: Tensor,
    normal_world: Tensor,
    view_direction: Tensor,
    light: EnvironmentLight,
) -> Tensor:
    """Linear RGB (...,3) that leaves surface points toward the camera, by split sum.

    albedo_srgb (...,3), roughness (...,1) and metallic (...,1) in [0,1]; normal_world (...,3) and
    view_direction (...,3) unit vectors, the latter from the surface to the camera. Differentiable
    with respect to all of them. The light knows no shadows and no light from surface to surface.
    """
    shape = albedo_srgb.shape
    albedo = srgb_to_linear(albedo_srgb).reshape(-1, 3)
    roughness, metallic = roughness.reshape(-1, 1), metallic.reshape(-1, 1)
    normal, view = normal_world.reshape(-1, 3), view_direction.reshape(-1, 3)
    cosine = (normal * view).sum(-1, keepdim=True)
    reflection = 2 * cosine * normal - view
    scale, bias = _look_up_table(cosine.clamp(0, 1), roughness)
    # Off the mirror direction the cosine pulls a wide lobe toward the normal (Lagarde and de
    # Rousiers 2014, section 4.9.3). Their factor pulls glossy lobes too far; alpha squared leaves
    # the least error against the full integral over our maps at roughness 0.3 to 1.
    axis = functional.normalize(torch.lerp(reflection, normal, roughness**4), dim=-1)
    specular = light.reflected(axis, roughness[:, 0])
    metal = specular * (albedo * scale + bias)
    dielectric_share = DIELECTRIC_REFLECTANCE * scale + bias
    # What the coat of reflection takes is missing below, as in Blender's Principled BSDF.
    dielectric = albedo * light.diffuse(normal) * (1 - dielectric_share) + (
        specular * dielectric_share
    )
    return torch.lerp(dielectric, metal, metallic).reshape(shape)


def _look_up_table(cosine: Tensor, roughness: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and bias (N,1) each of the split-sum table at cosine (N,1) and roughness (N,1)."""
    table = split_sum_table().to(cosine.device)
    grid = 2 * torch.cat([cosine, roughness], -1) - 1
    found = functional.grid_sample(
        table[None], grid[None, None], padding_mode="border", align_corners=True
    )
    return found[0, 0, 0, :, None], found[0, 1, 0, :, None]

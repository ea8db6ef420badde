# SPDX-License-Identifier: GPL-3.0-or-later
"""The GGX microfacet reflection model and its table for the split-sum approximation.

alpha = roughness squared, as in glTF and in Blender's Principled BSDF. Shadowing is the
height-correlated Smith term (Heitz 2014, equation 99).
"""

import functools
import math

import torch
from torch import Tensor


def ggx_distribution(cos_half: Tensor, roughness: Tensor) -> Tensor:
    """Density of microfacet normals per steradian (Walter et al. 2007, equation 33)."""
    alpha_squared = roughness**4
    # One minus cos^2 (1 - alpha^2), written so that small alpha keeps its digits.
    denominator = (1 - cos_half) * (1 + cos_half) + alpha_squared * cos_half**2
    return alpha_squared / (math.pi * denominator**2)


def smith_visibility(cos_light: Tensor, cos_view: Tensor, roughness: Tensor) -> Tensor:
    """Shadowing and masking divided by 4 cos_light cos_view."""
    alpha_squared = roughness**4
    light = cos_view * torch.sqrt(cos_light**2 * (1 - alpha_squared) + alpha_squared)
    view = cos_light * torch.sqrt(cos_view**2 * (1 - alpha_squared) + alpha_squared)
    return 0.5 / (light + view)


def hammersley(count: int) -> tuple[Tensor, Tensor]:
    """A low-discrepancy set of `count` points in the unit square, two (count,) tensors."""
    index = torch.arange(count)
    reversed_bits = torch.zeros(count, dtype=torch.float64)
    for bit in range(24):
        reversed_bits += ((index >> bit) & 1) * 0.5 ** (bit + 1)
    return (index + 0.5) / count, reversed_bits.float() + 0.5 / count


@functools.cache
def split_sum_table(size: int = 32, samples: int = 1024) -> Tensor:
    """(2,size,size): scale and bias of the reflectance at normal incidence F0.

    Specular reflectance under white light = F0 * scale + bias (Karis 2013, equation 8). Rows:
    roughness 0 to 1; columns: cosine of the view angle 0 to 1; both with their ends included.
    Computed once in a process, by importance sampling of the half vector.
    """
    cos_view = torch.linspace(0, 1, size).clamp(min=1e-3)[None, :, None]
    roughness = torch.linspace(0, 1, size).clamp(min=0.02)[:, None, None]
    first, second = hammersley(samples)
    azimuth = 2 * math.pi * first
    cos_half = torch.sqrt((1 - second) / (1 + (roughness**4 - 1) * second))
    sin_half = torch.sqrt((1 - cos_half**2).clamp(min=0))
    sin_view = torch.sqrt(1 - cos_view**2)
    view_dot_half = (sin_view * sin_half * torch.cos(azimuth) + cos_view * cos_half).clamp(min=0)
    cos_light = 2 * view_dot_half * cos_half - cos_view
    above = cos_light > 0
    cos_light = cos_light.clamp(min=1e-6)
    # Brdf times cosine over the density of the sampled light direction.
    weight = 4 * smith_visibility(cos_light, cos_view, roughness) * cos_light
    weight = torch.where(above, weight * view_dot_half / cos_half.clamp(min=1e-6), 0.0)
    fresnel = (1 - view_dot_half) ** 5
    return torch.stack([(weight * (1 - fresnel)).mean(-1), (weight * fresnel).mean(-1)])

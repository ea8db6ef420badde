# SPDX-License-Identifier: GPL-3.0-or-later
"""Shading against brute-force integration of the whole reflection model, and colour curves."""

import math

import pytest
import torch

from idto3d.render.brdf import ggx_distribution, smith_visibility
from idto3d.render.environment import prefilter, procedural_environments
from idto3d.render.panorama import directions, solid_angles
from idto3d.render.shade import linear_to_srgb, shade, srgb_to_linear, tone_map
from tests.backend.render.reference import assert_same_gradient

MAPS = procedural_environments(12, seed=2)


def surface(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit normals and view directions (N,3), at most 60 degrees apart."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    offset = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    return normal, torch.nn.functional.normalize(normal + 0.8 * offset, dim=-1)


def brute_force(albedo, roughness, metallic, normal, view, environment) -> torch.Tensor:
    """Sum of light * brdf * cosine over all pixels of the map, no approximation: (N,3)."""
    light = directions(*environment.shape[:2]).view(1, -1, 3)
    radiance = (environment * solid_angles(*environment.shape[:2])[..., None]).view(1, -1, 3)
    cos_light = (light * normal[:, None]).sum(-1).clamp(min=1e-6)
    cos_view = (normal * view).sum(-1, keepdim=True)
    half = torch.nn.functional.normalize(light + view[:, None], dim=-1)
    cos_half = (half * normal[:, None]).sum(-1).clamp(0, 1)
    fresnel = (1 - (half * view[:, None]).sum(-1).clamp(0, 1)) ** 5
    rough = torch.tensor(roughness)
    microfacets = ggx_distribution(cos_half, rough) * smith_visibility(cos_light, cos_view, rough)
    microfacets = torch.where((light * normal[:, None]).sum(-1) > 0, microfacets, 0.0)
    linear = srgb_to_linear(albedo)

    def specular(reflectance: torch.Tensor, incoming: torch.Tensor) -> torch.Tensor:
        strength = reflectance + (1 - reflectance) * fresnel[..., None]
        return (incoming * strength * (microfacets * cos_light)[..., None]).sum(1)

    area = (
        solid_angles(*environment.shape[:2])[..., None].expand(environment.shape).reshape(1, -1, 3)
    )
    white = specular(torch.tensor(0.04), area)
    diffuse = (radiance * cos_light[..., None]).sum(1) / math.pi * linear * (1 - white)
    dielectric = diffuse + specular(torch.tensor(0.04), radiance)
    return dielectric * (1 - metallic) + metallic * specular(linear[:, None], radiance)


@pytest.mark.parametrize("metallic, tolerance", [(0.0, 0.03), (1.0, 0.2)])
@pytest.mark.parametrize("roughness", [0.5, 0.8])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_split_sum_is_close_to_the_full_integral(index, roughness, metallic, tolerance):
    normal, view = surface(60)
    albedo = torch.tensor([0.8, 0.6, 0.5]).expand(60, 3)
    expected = brute_force(albedo, roughness, metallic, normal, view, MAPS[index])
    actual = shade(
        albedo, torch.full((60, 1), roughness), torch.full((60, 1), metallic), normal, view,
        prefilter(MAPS[index]),
    )  # fmt: skip
    assert (actual - expected).norm() / expected.norm() < tolerance


@pytest.mark.parametrize("roughness", [0.4, 1.0])
def test_under_uniform_light_split_sum_is_exact(roughness):
    normal, view = surface(30)
    white = torch.ones(64, 128, 3)
    for metallic in (0.0, 1.0):
        albedo = torch.full((30, 3), 0.7)
        actual = shade(
            albedo, torch.full((30, 1), roughness), torch.full((30, 1), metallic), normal, view,
            prefilter(white),
        )  # fmt: skip
        expected = brute_force(albedo, roughness, metallic, normal, view, white)
        assert torch.allclose(actual, expected, atol=0.01)


def test_a_mirror_shows_the_reflected_direction():
    light = prefilter(MAPS[1])
    normal, view = surface(50)
    ones = torch.ones(50, 3)
    actual = shade(ones, torch.zeros(50, 1), torch.ones(50, 1), normal, view, light)
    reflected = 2 * (normal * view).sum(-1, keepdim=True) * normal - view
    assert torch.allclose(actual, light.radiance(reflected), rtol=0.02)


def test_gradients_match_finite_differences():
    light = prefilter(MAPS[3])
    normal, view = surface(40)
    generator = torch.Generator().manual_seed(3)
    albedo = (0.2 + 0.6 * torch.rand(40, 3, generator=generator)).requires_grad_()
    # Away from the joints of the piecewise linear levels and of the table.
    roughness = torch.full((40, 1), 0.58, requires_grad=True)
    metallic = torch.full((40, 1), 0.3, requires_grad=True)
    weight = torch.randn(40, 3, generator=generator)

    def loss(*material: torch.Tensor) -> torch.Tensor:
        return (shade(*material, normal, view, light) * weight).sum(-1)

    parameters = [albedo, roughness, metallic]
    loss(*parameters).sum().backward()
    for position, parameter in enumerate(parameters):
        expected = torch.zeros_like(parameter)
        for channel in range(parameter.shape[1]):
            step = torch.zeros_like(parameter)
            step[:, channel] = 2e-3
            ahead, behind = (
                loss(*(p + s * step if i == position else p for i, p in enumerate(parameters)))
                for s in (1, -1)
            )
            expected[:, channel] = ((ahead - behind) / 4e-3).detach()
        assert_same_gradient(parameter.grad, expected, relative=0.02)


def test_shapes_with_images():
    normal, view = surface(24)
    image = shade(
        torch.rand(2, 3, 4, 3), torch.rand(2, 3, 4, 1), torch.rand(2, 3, 4, 1),
        normal.view(2, 3, 4, 3), view.view(2, 3, 4, 3), prefilter(MAPS[0]),
    )  # fmt: skip
    assert image.shape == (2, 3, 4, 3) and image.isfinite().all() and image.min() >= 0


def test_srgb_curve():
    known = torch.tensor([0.0, 0.04045, 0.5, 1.0])
    assert torch.allclose(
        srgb_to_linear(known), torch.tensor([0.0, 0.0031308, 0.2140411, 1.0]), atol=1e-6
    )
    ramp = torch.linspace(0, 1, 101, requires_grad=True)
    assert torch.allclose(linear_to_srgb(srgb_to_linear(ramp)), ramp, atol=1e-5)
    linear_to_srgb(ramp).sum().backward()
    assert ramp.grad.isfinite().all()


def test_tone_map_keeps_order_and_range():
    grey = torch.linspace(0, 50, 2001)[:, None].expand(-1, 3).clone().requires_grad_()
    mapped = tone_map(grey)
    assert mapped.min() >= 0 and mapped.max() < 1
    assert (mapped[1:, 0] > mapped[:-1, 0]).all()
    middle = tone_map(torch.tensor([0.4, 0.3, 0.2]))
    assert torch.allclose(middle, torch.tensor([0.36, 0.26, 0.16]), atol=1e-5)
    mapped.sum().backward()
    assert grey.grad.isfinite().all()
    # A strong colour washes out towards white, and hue order remains.
    red = tone_map(torch.tensor([30.0, 3.0, 1.0]))
    assert red[0] > red[1] > red[2] > 0.3

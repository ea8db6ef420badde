# SPDX-License-Identifier: GPL-3.0-or-later
"""Filtered environment light against brute-force integrals over the whole map."""

import math

import pytest
import torch

from idto3d.render.brdf import ggx_distribution
from idto3d.render.cameras import orbit
from idto3d.render.environment import (
    HEIGHT,
    SPECULAR_LEVELS,
    LightAugmentation,
    exposed,
    prefilter,
    procedural_environments,
    randomize,
    turned,
)
from idto3d.render.panorama import directions, mean_luminance, solid_angles

MAPS = procedural_environments(12, seed=1)


def some_directions(count: int = 40, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)


def integral(environment: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """sum of radiance * weight (N,H,W) over solid angle: (N,3)."""
    area = solid_angles(*environment.shape[:2])
    return torch.einsum("nhw,hwc->nc", weight * area, environment)


def test_uniform_light_stays_uniform():
    light = prefilter(torch.full((32, 64, 3), 0.7))
    for field in (light.irradiance, light.specular):
        assert torch.allclose(field, torch.full_like(field, 0.7), atol=1e-4)


@pytest.mark.parametrize("index", range(0, 12, 2))
def test_diffuse_matches_the_cosine_integral(index):
    environment, normal = MAPS[index], some_directions()
    cosine = torch.einsum("hwc,nc->nhw", directions(64, 128), normal).clamp(min=0)
    expected = integral(environment, cosine) / math.pi
    actual = prefilter(environment).diffuse(normal)
    assert (actual - expected).norm() / expected.norm() < 0.005


@pytest.mark.parametrize("level", [2, 4, 6])
@pytest.mark.parametrize("index", [0, 1, 7])
def test_specular_matches_the_lobe_integral(index, level):
    environment, axis = MAPS[index], some_directions()
    roughness = torch.tensor(level / (SPECULAR_LEVELS - 1))
    cosine = torch.einsum("hwc,nc->nhw", directions(64, 128), axis)
    weight = ggx_distribution(torch.sqrt((1 + cosine.clamp(-1, 1)) / 2), roughness)
    weight = weight * cosine.clamp(min=0)
    area = (weight * solid_angles(64, 128)).sum((1, 2), keepdim=True)
    expected = integral(environment, weight / area)
    actual = prefilter(environment).reflected(axis, roughness.expand(len(axis)))
    assert (actual - expected).norm() / expected.norm() < 0.02


def test_mirror_shows_the_map_itself():
    light = prefilter(MAPS[2])
    view = directions(HEIGHT, 2 * HEIGHT).view(-1, 3)
    assert torch.allclose(light.radiance(view), MAPS[2].view(-1, 3), atol=0.02, rtol=0.01)


def test_no_seam_around_the_back():
    light = prefilter(MAPS[0])
    angle = torch.tensor([math.pi - 1e-4, -math.pi + 1e-4])
    back = torch.stack([angle.sin(), torch.zeros(2), angle.cos()], 1)
    for values in (light.radiance(back), light.diffuse(back)):
        assert torch.allclose(values[0], values[1], rtol=0.01)


def test_light_from_above_and_from_the_persons_left():
    for row, column, toward in [(0, 64, (0, 1, 0)), (31, 31, (1, 0, 0)), (31, 63, (0, 0, 1))]:
        environment = torch.zeros(64, 128, 3)
        environment[row, column] = 1000.0
        light = prefilter(environment)
        normals = torch.tensor([toward, [-c for c in toward]]).float()
        lit, dark = light.diffuse(normals)[:, 0]
        assert lit > 0.01 and dark < 1e-3 * lit


def test_large_maps_are_averaged_so_that_a_small_sun_keeps_its_power():
    environment = torch.full((512, 1024, 3), 0.1)
    environment[200, 300] = 1e5
    light = prefilter(environment)
    sun = directions(512, 1024)[200, 300]
    cosine = (directions(512, 1024) @ sun).clamp(min=0)[None]
    expected = integral(environment, cosine) / math.pi
    assert expected.min() > 0.5
    assert torch.allclose(light.diffuse(sun[None]), expected, rtol=0.01)


def test_gradients_with_respect_to_normal_and_roughness_match_finite_differences():
    light = prefilter(MAPS[4])
    axis = some_directions(20).requires_grad_()
    roughness = torch.full((20,), 0.61, requires_grad=True)
    weight = torch.randn(20, 3, generator=torch.Generator().manual_seed(5))

    def loss(direction: torch.Tensor, rough: torch.Tensor) -> torch.Tensor:
        return ((light.diffuse(direction) + light.reflected(direction, rough)) * weight).sum()

    loss(axis, roughness).backward()
    step = 1e-3
    with torch.no_grad():
        change = loss(axis, roughness + step) - loss(axis, roughness - step)
        assert roughness.grad.sum() == pytest.approx((change / (2 * step)).item(), rel=0.02)
        turn = torch.linalg.cross(some_directions(20, seed=9), axis)
        change = loss(axis + step * turn, roughness) - loss(axis - step * turn, roughness)
        assert (axis.grad * turn).sum() == pytest.approx((change / (2 * step)).item(), rel=0.05)


def test_sixty_maps_are_sound_repeatable_and_different():
    maps = procedural_environments()
    assert len(maps) == 60
    for environment in maps:
        assert environment.shape == (64, 128, 3) and environment.dtype == torch.float32
        assert environment.isfinite().all() and environment.min() >= 0
        assert mean_luminance(environment).item() == pytest.approx(1.0, rel=1e-4)
    again = procedural_environments(5)
    assert all(torch.equal(a, b) for a, b in zip(maps, again, strict=False))
    # Contrast: some light comes from everywhere, some from a small part of the sphere.
    peaks = torch.stack([environment.amax() for environment in maps])
    assert peaks.min() < 4 and peaks.max() > 50
    diffuse = torch.stack([prefilter(environment).irradiance.flatten() for environment in maps])
    distance = torch.cdist(diffuse, diffuse) / diffuse.norm(dim=1).mean()
    distance.fill_diagonal_(9)
    assert distance.min() > 0.02


def test_random_light_turns_scales_and_tints():
    light = prefilter(MAPS[1])
    still = LightAugmentation(turn=0.0, tilt=0.0, intensity=0.0, tint=0.0)
    assert LightAugmentation().scaled(0.0) == still
    assert LightAugmentation().scaled(0.5).turn == 90.0
    normal = some_directions()
    same = randomize(light, torch.Generator().manual_seed(0), still)
    assert torch.allclose(same.diffuse(normal), light.diffuse(normal), atol=1e-5)
    first, second = (randomize(light, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(first.diffuse(normal), second.diffuse(normal))
    assert torch.allclose(first.rotation @ first.rotation.T, torch.eye(3), atol=1e-5)
    assert torch.linalg.det(first.rotation).item() == pytest.approx(1.0, abs=1e-5)
    # Turned by R, the light that fell on n now falls on R^-1 n.
    turned = first.diffuse(normal @ first.rotation)
    assert torch.allclose(turned, light.diffuse(normal) * first.tint, rtol=1e-3, atol=1e-4)
    only_turn = LightAugmentation(tilt=0.0, intensity=0.0, tint=0.0)
    generator = torch.Generator().manual_seed(1)
    headings = []
    for _ in range(200):
        rotation = randomize(light, generator, only_turn).rotation
        assert rotation[1, 1].item() == pytest.approx(1.0, abs=1e-5)
        headings.append(math.atan2(rotation[0, 2].item(), rotation[2, 2].item()))
    counts = torch.histc(torch.tensor(headings), bins=4, min=-math.pi, max=math.pi)
    assert counts.min() > 30


def test_turned_light_is_the_same_to_a_camera_turned_with_it():
    light = prefilter(procedural_environments(1)[0])
    for yaw in (0.0, 50.0, 180.0, -90.0):
        camera = orbit(yaw, 0.0)
        towards = torch.tensor([[0.3, 0.2, 0.93], [-0.8, 0.1, 0.59]])
        in_world = towards @ camera.view[0, :3, :3]
        expected = light.diffuse(towards)
        torch.testing.assert_close(turned(light, yaw).diffuse(in_world), expected)


def test_exposed_light_shows_a_white_face_white():
    """Whatever the light's strength: a sun behind the head calls for a long exposure."""
    uniform = prefilter(torch.full((32, 64, 3), 0.2))
    towards = torch.tensor([[0.0, 0.0, 1.0]])
    torch.testing.assert_close(
        exposed(uniform).diffuse(towards), torch.ones(1, 3), rtol=1e-3, atol=0
    )
    normals = some_directions(2000)
    front = normals[normals[:, 2] > 0.5]
    for environment in MAPS[:4]:
        once = exposed(prefilter(environment)).diffuse(front)
        bright = exposed(prefilter(5 * environment)).diffuse(front)
        torch.testing.assert_close(once, bright, rtol=1e-3, atol=1e-4)
        assert 0.5 < once.mean() < 1.6

# SPDX-License-Identifier: GPL-3.0-or-later
"""Rasterizing and interpolating against analytic shapes and against the torch twins."""

import dataclasses
import math

import pytest
import torch

from idto3d.render.cameras import orbit, transform
from idto3d.render.rasterize import interpolate, mean_on_white, rasterize
from tests.backend.head.shapes import icosphere
from tests.backend.render import reference


def clip_triangle(points: list[tuple[float, float, float]]) -> torch.Tensor:
    """Corners given in normalised device coordinates, w = 1: (1,3,4)."""
    return torch.tensor([[*point, 1.0] for point in points])[None]


def soup(generator: torch.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random intersecting triangles in front of a camera: clip (1,3*count,4), faces."""
    vertices = torch.rand(3 * count, 3, generator=generator) - 0.5
    return transform(vertices, orbit(20.0, 10.0)), torch.arange(3 * count).view(-1, 3)


def test_row_zero_is_the_top_and_column_zero_the_left():
    upper_left = clip_triangle([(-1, 1, 0), (-1, 0, 0), (0, 1, 0)])
    face = rasterize(upper_left, torch.tensor([[0, 1, 2]]), 16, 16).face[0]
    assert face[0, 0] == 0
    assert (face[8:] == -1).all() and (face[:, 8:] == -1).all()


def test_right_triangle_covers_half_of_the_image():
    clip = clip_triangle([(-1, -1, 0), (1, -1, 0), (-1, 1, 0)])
    fragments = rasterize(clip, torch.tensor([[0, 1, 2]]), 64, 64)
    # Pixel (row, column) is inside when column <= row: the diagonal's centres lie on the edge.
    row, column = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    assert torch.equal(fragments.face[0] == 0, column <= row)
    assert torch.equal(fragments.mask[0, ..., 0].bool(), column <= row)
    x, y = reference.pixel_rays(64, 64)
    expected = torch.stack([-(x + y) / 2, (x + 1) / 2, (y + 1) / 2], -1)
    inside = column <= row
    assert torch.allclose(fragments.barycentric[0][inside], expected[inside], atol=1e-6)
    assert (fragments.barycentric[0][~inside] == 0).all()
    assert (fragments.depth[0][~inside] == 1).all()


def test_two_triangles_tile_without_gap():
    corners = torch.tensor([[-0.7, -0.9], [0.8, -0.6], [0.9, 0.7], [-0.6, 0.8]])
    clip = torch.cat([corners, torch.zeros(4, 1), torch.ones(4, 1)], 1)[None]
    face = rasterize(clip, torch.tensor([[0, 1, 2], [0, 2, 3]]), 301, 301).face[0]
    for line in face >= 0:
        covered = line.nonzero()
        if len(covered):
            assert line[covered.min() : covered.max() + 1].all()


def test_sphere_area_and_outline():
    vertices, faces = icosphere(5, radius=0.4)
    size, distance = 200, 2.6
    clip = transform(vertices, orbit(33.0, 12.0, distance))
    mask = rasterize(clip, faces, size, size).mask[0, ..., 0]
    # A sphere's outline is the circle under the tangent cone.
    radius = math.tan(math.asin(0.4 / distance)) / math.tan(math.radians(12.5)) * size / 2
    assert mask.sum().item() == pytest.approx(math.pi * radius**2, rel=0.005)
    x, y = reference.pixel_rays(size, size)
    away = (x**2 + y**2).sqrt() * size / 2
    assert mask[away < radius - 1].all() and not mask[away > radius + 0.5].any()


def test_nearest_face_wins_and_ties_go_to_the_lower_index():
    near = [(-1, -1, -0.5), (1, -1, -0.5), (0, 1, -0.5)]
    far = [(-1, -1, 0.5), (1, -1, 0.5), (0, 1, 0.5)]
    clip = torch.cat([clip_triangle(far), clip_triangle(near), clip_triangle(near)], 1)
    fragments = rasterize(clip, torch.arange(9).view(3, 3), 8, 8)
    covered = fragments.face[0] >= 0
    assert (fragments.face[0][covered] == 1).all()
    assert torch.allclose(fragments.depth[0][covered], torch.tensor(-0.5))


def test_both_orientations_are_drawn():
    clip = clip_triangle([(-1, -1, 0), (1, -1, 0), (0, 1, 0)])
    front = rasterize(clip, torch.tensor([[0, 1, 2]]), 16, 16)
    back = rasterize(clip, torch.tensor([[0, 2, 1]]), 16, 16)
    assert torch.equal(front.face, back.face)
    assert torch.allclose(front.barycentric, back.barycentric[..., [0, 2, 1]])


def test_triangles_behind_the_camera_and_beyond_the_planes_are_dropped():
    clip = clip_triangle([(-1, -1, 0), (1, -1, 0), (0, 1, 0)])
    faces = torch.tensor([[0, 1, 2]])
    behind = clip.clone()
    behind[0, 2, 3] = -1.0
    assert (rasterize(behind, faces, 16, 16).face == -1).all()
    for depth in (-1.5, 1.5):
        outside = clip.clone()
        outside[..., 2] = depth
        assert (rasterize(outside, faces, 16, 16).face == -1).all()


def test_off_screen_and_degenerate_triangles_are_harmless():
    clip = clip_triangle([(-1e9, 2e9, 0), (1e9, -2e9, 0), (3e9, 3e9, 0)])
    assert rasterize(clip, torch.tensor([[0, 1, 2], [0, 0, 1]]), 8, 8).face.shape == (1, 8, 8)
    assert (rasterize(clip, torch.zeros(0, 3, dtype=torch.long), 8, 8).face == -1).all()


def test_twin_rasterizer_agrees():
    generator = torch.Generator().manual_seed(5)
    clip, faces = soup(generator, 60)
    fragments = rasterize(clip, faces, 48, 40)
    face, barycentric, depth = reference.rasterize(clip[0], faces, 48, 40)
    same = fragments.face[0] == face
    # Pixels whose centre lies on an edge up to rounding may differ.
    assert same.float().mean() > 0.999
    assert torch.allclose(fragments.barycentric[0][same], barycentric[same], atol=1e-4)
    assert torch.allclose(fragments.depth[0][same], depth[same], atol=1e-5)


def test_barycentric_gradient_agrees_with_the_twin():
    generator = torch.Generator().manual_seed(6)
    clip, faces = soup(generator, 40)
    clip = clip.double().float().requires_grad_()
    fragments = rasterize(clip, faces, 32, 32)
    weight = torch.randn(32, 32, 3, generator=generator)
    # Slivers amplify rounding in the twin as in the kernel: compare where both are well posed.
    twin = clip.detach().double().requires_grad_()
    every = reference.barycentric_of_all(twin[0], faces, 32, 32)
    index = fragments.face[0].clamp(min=0).long()[None, ..., None].expand(1, 32, 32, 3)
    expected = every.gather(0, index)[0] * (fragments.face[0] >= 0)[..., None]
    (expected * weight).sum().backward()
    (fragments.barycentric[0] * weight).sum().backward()
    reference.assert_same_gradient(clip.grad, twin.grad.float())


@pytest.mark.parametrize("batched", [False, True])
def test_interpolation_and_its_gradients_agree_with_the_twin(batched):
    generator = torch.Generator().manual_seed(7)
    clip, faces = soup(generator, 40)
    clip = torch.cat([clip, clip.flip(1)])
    fragments = rasterize(clip, faces, 32, 32)
    shape = (2, 120, 5) if batched else (120, 5)
    attributes = torch.randn(shape, generator=generator, requires_grad=True)
    barycentric = fragments.barycentric.clone().requires_grad_()
    fragments = dataclasses.replace(fragments, barycentric=barycentric)
    weight = torch.randn(2, 32, 32, 5, generator=generator)
    image = interpolate(attributes, fragments, faces)
    (image * weight).sum().backward()

    twin_attributes = attributes.detach().clone().requires_grad_()
    twin_barycentric = barycentric.detach().clone().requires_grad_()
    expected = torch.stack([
        reference.interpolate(
            twin_attributes[i] if batched else twin_attributes,
            fragments.face[i], twin_barycentric[i], faces,
        )
        for i in range(2)
    ])  # fmt: skip
    (expected * weight).sum().backward()
    assert torch.allclose(image, expected, atol=1e-5)
    reference.assert_same_gradient(attributes.grad, twin_attributes.grad)
    reference.assert_same_gradient(barycentric.grad, twin_barycentric.grad)

    # Where only the attributes ask for a gradient they get the same.
    fixed = dataclasses.replace(fragments, barycentric=barycentric.detach())
    alone = attributes.detach().requires_grad_()
    (interpolate(alone, fixed, faces) * weight).sum().backward()
    assert torch.allclose(alone.grad, attributes.grad, atol=1e-5)


def test_mean_on_white_and_its_gradient_agree_with_the_twin():
    generator = torch.Generator().manual_seed(8)
    clip, faces = soup(generator, 40)
    fragments = rasterize(torch.cat([clip, clip.flip(1)]), faces, 24, 24)
    samples, twin = (
        torch.rand(2, 24, 24, 3, generator=torch.Generator().manual_seed(9)).requires_grad_()
        for _ in range(2)
    )
    weight = torch.randn(2, 8, 8, 3, generator=generator)
    image = mean_on_white(samples, fragments, 3)
    expected = torch.where(fragments.mask > 0, twin, 1.0).view(2, 8, 3, 8, 3, 3).mean((2, 4))
    (image * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.allclose(image, expected, atol=1e-6)
    assert torch.allclose(samples.grad, twin.grad, atol=1e-6)


def test_interpolating_positions_gives_points_on_the_pixel_rays():
    vertices, faces = icosphere(3, radius=0.4)
    cameras = orbit(50.0, -20.0)
    clip = transform(vertices, cameras)
    fragments = rasterize(clip, faces, 64, 64)
    position = interpolate(vertices, fragments, faces)
    again = transform(position.view(1, -1, 3), cameras).view(64, 64, 4)
    seen = fragments.face[0] >= 0
    x, y = reference.pixel_rays(64, 64)
    assert torch.allclose((again[..., 0] / again[..., 3])[seen], x[seen], atol=1e-5)
    assert torch.allclose((again[..., 1] / again[..., 3])[seen], y[seen], atol=1e-5)
    assert torch.allclose(
        (again[..., 2] / again[..., 3])[seen], fragments.depth[0][seen], atol=1e-5
    )

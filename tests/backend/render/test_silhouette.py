# SPDX-License-Identifier: GPL-3.0-or-later
"""Antialiased silhouettes against supersampled renders, in value and in gradient."""

import pytest
import torch

from idto3d.render.cameras import Cameras, orbit, transform
from idto3d.render.rasterize import antialias, interpolate, rasterize
from idto3d.render.silhouette import find_crossings, half_edge_partners
from tests.backend.head.shapes import icosphere
from tests.backend.render import reference
from tests.backend.render.reference import assert_same_gradient

SIZE = 64
SAMPLES = 8


def coverage(vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    """(B,SIZE,SIZE) mask by our antialiasing."""
    clip = transform(vertices, cameras)
    fragments = rasterize(clip, faces, SIZE, SIZE)
    return antialias(fragments.mask, fragments, clip, faces)[..., 0]


def supersampled(vertices: torch.Tensor, faces: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    """(B,SIZE,SIZE) mask by counting SAMPLES x SAMPLES points in each pixel."""
    fine = SIZE * SAMPLES
    mask = rasterize(transform(vertices, cameras), faces, fine, fine).mask
    return mask.view(len(mask), SIZE, SAMPLES, SIZE, SAMPLES).mean((2, 4))


def ellipsoid(subdivisions: int) -> tuple[torch.Tensor, torch.Tensor]:
    vertices, faces = icosphere(subdivisions, radius=0.4)
    return vertices * torch.tensor([1.0, 0.8, 1.1]), faces


def torus(major: int = 24, minor: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """A closed ring around Y, 2 * major * minor faces."""
    u, v = torch.meshgrid(torch.arange(major), torch.arange(minor), indexing="ij")
    around, tube = 2 * torch.pi * u / major, 2 * torch.pi * v / minor
    ring = 0.3 + 0.12 * tube.cos()
    vertices = torch.stack([ring * around.sin(), 0.12 * tube.sin(), ring * around.cos()], -1)

    def index(i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        return i % major * minor + j % minor

    a, b, c, d = index(u, v), index(u + 1, v), index(u + 1, v + 1), index(u, v + 1)
    faces = torch.cat([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)])
    return vertices.view(-1, 3), faces.view(-1, 3)


def smooth_weight(seed: int) -> torch.Tensor:
    """A random image without detail below a few pixels, so that areas decide, not pixels."""
    noise = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, (SIZE, SIZE), mode="bicubic")[0, 0]


def test_partners_are_the_same_edge_of_another_face():
    _, faces = icosphere(3)
    partners = half_edge_partners(faces).long()
    edge = torch.stack([faces.roll(-1, 1), faces.roll(-2, 1)], -1).view(-1, 2)
    assert (partners >= 0).all()
    assert torch.equal(edge[partners], edge.flip(1))
    assert torch.equal(partners[partners], torch.arange(len(partners)))


def test_borders_have_no_partner_even_at_a_crowded_vertex():
    count = 500
    rim = torch.arange(1, count + 1)
    fan = torch.stack([torch.zeros_like(rim), rim, rim.roll(-1)], 1)
    partners = half_edge_partners(fan).view(-1, 3).long()
    assert (partners[:, 0] == -1).all()
    assert torch.equal(partners[:, 1] // 3, torch.arange(count).roll(-1))
    assert torch.equal(partners[:, 2] // 3, torch.arange(count).roll(1))


def test_crossings_agree_with_the_twin():
    """A torus, which hides part of its own outline, with a hole cut into it."""
    vertices, faces = torus()
    faces = faces[40:]
    clip = transform(vertices, orbit(33.0, 40.0))
    fragments = rasterize(clip, faces, 40, 48)
    pair, half_edge = find_crossings(
        fragments.position, faces.int(), half_edge_partners(faces), fragments.face, fragments.depth
    )
    expected = reference.crossings(clip[0], faces, fragments.face[0], fragments.depth[0])
    corner = half_edge % 3
    row = faces[half_edge // 3]
    ends = torch.stack([row.gather(1, ((corner + k) % 3)[:, None])[:, 0] for k in (1, 2)], 1)
    actual = {
        (axis, line, column): (min(edge), max(edge))
        for (axis, _, line, column), edge in zip(pair.tolist(), ends.tolist(), strict=True)
    }
    assert len(expected) > 150
    # Two edges that meet on a pixel's row tie: either may win.
    assert actual.keys() == expected.keys()
    assert sum(actual[k] == expected[k][0] for k in actual) >= 0.99 * len(actual)


@pytest.mark.parametrize("subdivisions", [2, 4, 6])
def test_coverage_matches_supersampling_for_large_and_for_subpixel_triangles(subdivisions):
    vertices, faces = ellipsoid(subdivisions)
    cameras = orbit(torch.tensor([10.0, 75.0]), torch.tensor([5.0, -25.0]))
    smooth, exact = coverage(vertices, faces, cameras), supersampled(vertices, faces, cameras)
    cut = (exact > 0) & (exact < 1)
    hard = rasterize(transform(vertices, cameras), faces, SIZE, SIZE).mask[..., 0]

    def error(image: torch.Tensor) -> float:
        return (image - exact)[cut].square().mean().sqrt().item()

    assert error(smooth) < 0.04 and error(hard) > 0.2
    assert smooth.sum().item() == pytest.approx(exact.sum().item(), rel=1e-3)


@pytest.mark.parametrize("subdivisions", [2, 4, 6])
def test_gradient_matches_finite_differences_of_supersampling(subdivisions):
    """Six motions of the whole mesh: three shifts and three stretches.

    The gradient samples the outline once a row or column, so single numbers scatter by a few
    percent around the true ones.
    """
    vertices, faces = ellipsoid(subdivisions)
    cameras = orbit(torch.linspace(0, 320, 6), torch.linspace(-25, 25, 6))
    weight = smooth_weight(2)
    parameters = torch.zeros(6, requires_grad=True)

    def moved(values: torch.Tensor) -> torch.Tensor:
        return vertices * (1 + values[3:]) + values[:3]

    (coverage(moved(parameters), faces, cameras) * weight).sum().backward()
    step = 0.02
    expected = torch.zeros(6)
    for i in range(6):
        offset = torch.zeros(6)
        offset[i] = step
        high, low = (supersampled(moved(s * offset), faces, cameras) for s in (1, -1))
        expected[i] = ((high - low) * weight).sum() / (2 * step)
    assert_same_gradient(parameters.grad, expected, relative=0.045)


def test_gradient_of_single_vertices_of_a_coarse_mesh():
    vertices, faces = ellipsoid(0)
    cameras = orbit(torch.tensor([20.0, 50, 130, 250, 300]), torch.tensor([15.0, 5, -30, 40, -3]))
    weight = smooth_weight(3)
    variable = vertices.clone().requires_grad_()
    (coverage(variable, faces, cameras) * weight).sum().backward()
    step = 0.01
    expected = torch.zeros_like(vertices)
    for vertex in range(len(vertices)):
        for axis in range(3):
            offset = torch.zeros_like(vertices)
            offset[vertex, axis] = step
            high, low = (
                (supersampled(vertices + s * offset, faces, cameras) * weight).sum()
                for s in (1, -1)
            )
            expected[vertex, axis] = (high - low) / (2 * step)
    assert_same_gradient(variable.grad, expected, relative=0.05)


def test_an_inner_silhouette_moves_with_the_object_in_front():
    """A small disc before a large one: only the small one's outline lies inside the large."""
    angle = torch.linspace(0, 2 * torch.pi, 65)[:-1]
    ring = torch.stack([angle.cos(), angle.sin(), torch.zeros(64)], 1)
    disc = torch.cat([torch.zeros(1, 3), ring])
    rim = torch.arange(1, 65)
    fan = torch.stack([torch.zeros_like(rim), rim, rim.roll(-1)], 1)
    faces = torch.cat([fan, fan + 65])
    colour = torch.cat([torch.full((65, 1), 0.2), torch.full((65, 1), 1.0)])
    weight = torch.linspace(-1, 1, SIZE).expand(SIZE, SIZE) ** 3

    def render(shift: torch.Tensor, samples: int) -> torch.Tensor:
        small = disc * 0.2 + torch.stack([shift, shift * 0, shift * 0 + 0.2])
        clip = transform(torch.cat([disc * 0.45, small]), orbit(0.0, 0.0))
        fragments = rasterize(clip, faces, SIZE * samples, SIZE * samples)
        image = interpolate(colour, fragments, faces)
        if samples > 1:
            return image.view(SIZE, samples, SIZE, samples).mean((1, 3))
        return antialias(image, fragments, clip, faces)[0, ..., 0]

    shift = torch.tensor(0.03, requires_grad=True)
    image = render(shift, 1)
    (image * weight).sum().backward()
    with torch.no_grad():
        difference = (render(shift + 0.01, SAMPLES) - render(shift - 0.01, SAMPLES)) / 0.02
        assert (image - render(shift, SAMPLES)).abs().max() < 0.1
    expected = (difference * weight).sum()
    assert abs(shift.grad - expected) < 0.03 * abs(expected)


def test_hidden_silhouettes_leave_the_image_alone():
    """A ball wholly behind a wall: its outline must not show."""
    wall = torch.tensor([[-1.0, -1, 0.45], [1, -1, 0.45], [1, 1, 0.45], [-1, 1, 0.45]])
    ball, ball_faces = icosphere(3, radius=0.3)
    vertices = torch.cat([wall, ball])
    faces = torch.cat([torch.tensor([[0, 1, 2], [0, 2, 3]]), ball_faces + 4])
    clip = transform(vertices, orbit(0.0, 0.0))
    fragments = rasterize(clip, faces, SIZE, SIZE)
    noise = torch.rand(1, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(antialias(noise, fragments, clip, faces), noise)


def test_result_is_a_convex_mix_and_passes_the_image_gradient():
    vertices, faces = ellipsoid(4)
    clip = transform(vertices, orbit(15.0, 10.0))
    fragments = rasterize(clip, faces, SIZE, SIZE)
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, SIZE, SIZE, 2, generator=generator, requires_grad=True)
    weight = torch.randn(image.shape, generator=generator)
    blended = antialias(image, fragments, clip, faces)
    assert blended.min() >= 0 and blended.max() <= 1
    (blended * weight).sum().backward()
    # The blend is linear in the image: a step along any direction gives the gradient exactly.
    direction = torch.randn(image.shape, generator=generator)
    ahead = antialias(image.detach() + direction, fragments, clip, faces)
    change = ((ahead - blended.detach()) * weight).sum()
    assert (image.grad * direction).sum().item() == pytest.approx(change.item(), rel=1e-3)
    # Away from outlines nothing changes.
    assert ((blended - image).abs().amax(-1) > 0).sum() < 200


def test_keeping_the_partners_changes_nothing():
    vertices, faces = ellipsoid(3)
    clip = transform(vertices, orbit(15.0, 10.0))
    fragments = rasterize(clip, faces, SIZE, SIZE)
    kept = antialias(fragments.mask, fragments, clip, faces, half_edge_partners(faces))
    assert torch.equal(kept, antialias(fragments.mask, fragments, clip, faces))

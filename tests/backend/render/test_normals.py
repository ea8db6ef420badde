# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex normals and camera-space normal maps on a sphere, whose normals are known."""

import torch

from idto3d.render.cameras import orbit, transform
from idto3d.render.normals import (
    camera_normals_image,
    supersampled,
    supersampled_normals,
    vertex_normals,
)
from idto3d.render.rasterize import interpolate, rasterize
from tests.backend.head.shapes import icosphere
from tests.backend.render import reference


def test_sphere_normals_point_outwards():
    vertices, faces = icosphere(4, radius=0.3)
    assert torch.allclose(vertex_normals(vertices, faces), vertices / 0.3, atol=0.01)
    reversed_faces = faces[:, [0, 2, 1]]
    assert torch.allclose(vertex_normals(vertices, reversed_faces), -vertices / 0.3, atol=0.01)


def test_normals_and_gradient_agree_with_the_twin():
    generator = torch.Generator().manual_seed(0)
    vertices, faces = icosphere(2, radius=0.3)
    batch = (
        vertices + 0.03 * torch.randn(2, *vertices.shape, generator=generator)
    ).requires_grad_()
    twin = batch.detach().clone().requires_grad_()
    weight = torch.randn(batch.shape, generator=generator)
    normals = vertex_normals(batch, faces)
    expected = torch.stack([reference.vertex_normals(mesh, faces) for mesh in twin])
    (normals * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.allclose(normals, expected, atol=1e-4)
    reference.assert_same_gradient(batch.grad, twin.grad)


def test_tiny_triangles_keep_their_normals():
    vertices, faces = icosphere(3, radius=0.3)
    small = vertex_normals(vertices * 1e-4, faces)
    assert torch.allclose(small, vertex_normals(vertices, faces), atol=1e-4)


def test_vertex_without_faces_has_zero_normal_and_finite_gradient():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], requires_grad=True)
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2]]))
    assert torch.equal(normals.detach()[3], torch.zeros(3))
    normals.square().sum().backward()
    assert vertices.grad.isfinite().all()


def test_image_of_a_sphere_shows_camera_space_normals_from_any_side():
    vertices, faces = icosphere(5, radius=0.4)
    cameras = orbit(torch.tensor([0.0, 90.0, 200.0]), torch.tensor([0.0, 15.0, -30.0]), 20.0,
                    field_of_view=3.0)  # fmt: skip
    image, mask = camera_normals_image(vertices, faces, cameras, 65)
    assert image.shape == (3, 65, 65, 3) and mask.shape == (3, 65, 65, 1)
    # A sphere looks the same from everywhere: blue in the middle, red right, green up.
    assert torch.allclose(image[:, 32, 32], torch.tensor([0.5, 0.5, 1.0]), atol=0.02)
    assert (image[:, 32, 50, 0] > 0.8).all() and (image[:, 32, 14, 0] < 0.2).all()
    assert (image[:, 14, 32, 1] > 0.8).all() and (image[:, 50, 32, 1] < 0.2).all()
    assert torch.equal(image[:, 0, 0], torch.ones(3, 3)) and (mask[:, 0, 0] == 0).all()
    assert ((image[1] - image[0]).abs() < 0.02).float().mean() > 0.97


def test_image_and_gradient_agree_with_the_twin():
    generator = torch.Generator().manual_seed(2)
    vertices, faces = icosphere(3, radius=0.4)
    vertices = (vertices + 0.02 * torch.randn(vertices.shape, generator=generator)).requires_grad_()
    cameras = orbit(torch.tensor([20.0, 140.0]), torch.tensor([-10.0, 25.0]))
    weight = torch.randn(2, 40, 40, 3, generator=generator)
    image, mask = camera_normals_image(vertices, faces, cameras, 40, antialiased=False)
    (image * weight).sum().backward()

    twin = vertices.detach().clone().requires_grad_()
    clip = transform(twin, cameras)
    fragments = rasterize(clip, faces, 40, 40)
    normals = reference.vertex_normals(twin, faces)
    expected = torch.stack([
        reference.interpolate(normals, fragments.face[i], fragments.barycentric[i], faces)
        @ cameras.view[i, :3, :3].T
        for i in range(2)
    ])  # fmt: skip
    expected = torch.nn.functional.normalize(expected, dim=-1) / 2 + 0.5
    expected = torch.where(fragments.mask > 0, expected, 1.0)
    (expected * weight).sum().backward()
    assert torch.allclose(image, expected, atol=1e-5) and torch.equal(mask, fragments.mask)
    reference.assert_same_gradient(vertices.grad, twin.grad)


def test_supersampled_normals_are_the_mean_of_smaller_pixels():
    vertices, faces = icosphere(4, radius=0.4)
    cameras = orbit(torch.tensor([0.0, 60.0]), 10.0)
    image = supersampled_normals(vertices.expand(2, -1, -1), faces, cameras, 32, factor=4)
    fine, _ = camera_normals_image(vertices, faces, cameras, 128, antialiased=False)
    assert torch.allclose(image, fine.view(2, 32, 4, 32, 4, 3).mean((2, 4)), atol=1e-6)
    smooth, _ = camera_normals_image(vertices, faces, cameras, 32)
    assert (image - smooth).abs().max() < 0.12
    given = supersampled_normals(
        vertices, faces, cameras, 32, factor=4, normals=vertex_normals(vertices, faces)
    )
    assert torch.equal(given, image)
    # Through a hole the inside shows: faces seen from behind.
    image = supersampled_normals(vertices, faces[800:], cameras, 32)
    fine, _ = camera_normals_image(vertices, faces[800:], cameras, 64, antialiased=False)
    assert torch.allclose(image, fine.view(2, 32, 2, 32, 2, 3).mean((2, 4)), atol=1e-6)


def test_supersampled_colours_are_the_mean_of_smaller_pixels():
    vertices, faces = icosphere(4, radius=0.4)
    cameras = orbit(torch.tensor([0.0, 60.0]), 10.0)
    colours = torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(0))
    normals, painted = supersampled(vertices, faces, cameras, 32, colours, factor=4)
    assert torch.equal(normals, supersampled_normals(vertices, faces, cameras, 32, factor=4))
    fragments = rasterize(transform(vertices, cameras), faces, 128, 128)
    fine = interpolate(colours, fragments, faces)
    fine = torch.where(fragments.mask > 0, fine, 1.0)
    assert torch.allclose(painted, fine.view(2, 32, 4, 32, 4, 3).mean((2, 4)), atol=1e-6)
    assert len(supersampled(vertices, faces, cameras, 32, None)) == 1


def test_gradient_of_the_image_turns_normals_the_right_way():
    """Scaling a flat bump up must tilt the normals: compare with finite differences."""
    axis = torch.linspace(-0.45, 0.45, 31)
    x, y = torch.meshgrid(axis, axis, indexing="xy")
    bump = torch.exp(-(x**2 + y**2) / 0.02)
    index = torch.arange(31 * 31).view(31, 31)
    lower, right, upper, both = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = torch.cat([
        torch.stack([lower, right, both], -1).view(-1, 3),
        torch.stack([lower, both, upper], -1).view(-1, 3),
    ])  # fmt: skip
    weight = torch.randn(48, 48, 3, generator=torch.Generator().manual_seed(1))
    weight = torch.nn.functional.avg_pool2d(weight.permute(2, 0, 1), 9, 1, 4).permute(1, 2, 0)

    def loss(height: torch.Tensor) -> torch.Tensor:
        vertices = torch.stack([x, y, height * bump], -1).view(-1, 3)
        image, _ = camera_normals_image(vertices, faces, orbit(10.0, 5.0), 48)
        return (image[0] * weight).sum()

    height = torch.tensor(0.08, requires_grad=True)
    loss(height).backward()
    step = 1e-3
    with torch.no_grad():
        difference = (loss(height + step) - loss(height - step)) / (2 * step)
    assert abs(height.grad - difference) < 0.05 * abs(difference)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Our kernels on a GPU: the same values and gradients as on the CPU, as nvdiffrast and tinycudann.

Run by `python -m benchmarks.gpu`; without CUDA everything here is skipped.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from idto3d.head.encoding import TinyCudaHashGrid
from idto3d.head.hash_grid import HashGrid, HashGridSettings
from idto3d.head.signed_distance import TriangleMesh
from idto3d.render.cameras import orbit, transform
from idto3d.render.normals import camera_normals_image
from idto3d.render.rasterize import antialias, interpolate, rasterize
from tests.backend.head.shapes import icosphere

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
SETTINGS = HashGridSettings(levels=5, log2_table_size=10, base_resolution=3, finest_resolution=70)
SIZE = 96


def both(work: Callable[[Tensor], Tensor], leaf: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Value and gradient on the CPU and on the GPU."""
    results = []
    for device in ("cpu", "cuda"):
        own = leaf.to(device).requires_grad_()
        value = work(own)
        weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
        (gradient,) = torch.autograd.grad((value * weights.to(device)).sum(), own)
        results.append((value.detach().cpu(), gradient.cpu()))
    return results


def test_normals_and_outlines() -> None:
    vertices, faces = icosphere(3, radius=0.3)

    def work(own: Tensor) -> Tensor:
        cameras = orbit(torch.tensor([0.0, 70.0]), 10.0).to(own.device)
        image, mask = camera_normals_image(own, faces.to(own.device), cameras, SIZE)
        return torch.cat([image, mask], dim=-1)

    (value, gradient), (value_there, gradient_there) = both(work, vertices)
    # A pixel centre on an edge may fall to either side.
    assert ((value - value_there).abs().amax(-1) > 1e-3).float().mean() < 1e-3
    difference = (gradient - gradient_there).norm() / gradient.norm()
    assert difference < 1e-2


def test_hash_grid() -> None:
    grid = HashGrid(SETTINGS, torch.Generator().manual_seed(0))
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(3)) - 0.5
    there = HashGrid(SETTINGS, torch.Generator().manual_seed(0)).cuda()
    for module, place in ((grid, points), (there, points.cuda())):
        module(place).square().sum().mul(1e8).backward()
    assert grid.table.grad is not None and there.table.grad is not None
    torch.testing.assert_close(there(points.cuda()).cpu(), grid(points))
    torch.testing.assert_close(there.table.grad.cpu(), grid.table.grad, atol=1e-4, rtol=1e-4)


def test_signed_distance() -> None:
    vertices, faces = icosphere(3, radius=0.3)
    points = torch.rand(300, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    here = TriangleMesh(vertices, faces).signed_distance(points)
    there = TriangleMesh(vertices.cuda(), faces.cuda()).signed_distance(points.cuda())
    torch.testing.assert_close(there.cpu(), here, atol=1e-4, rtol=1e-4)


def test_rasterizer_as_nvdiffrast() -> None:
    theirs = pytest.importorskip("nvdiffrast.torch")
    vertices, faces = icosphere(3, radius=0.3)
    vertices, faces = vertices.cuda(), faces.to(torch.int32).cuda()
    clip = transform(vertices, orbit(30.0, 10.0).to("cuda")).contiguous()
    images, gradients = [], []
    for ours in (True, False):
        points = clip.detach().requires_grad_()
        if ours:
            fragments = rasterize(points, faces, SIZE, SIZE)
            image = interpolate(vertices, fragments, faces)
            image = antialias(image, fragments, points, faces)
        else:
            context = theirs.RasterizeCudaContext(device="cuda")
            pixels, _ = theirs.rasterize(context, points, faces, (SIZE, SIZE))
            image, _ = theirs.interpolate(vertices[None], pixels, faces)
            # Their row 0 is the bottom, ours the top.
            image = theirs.antialias(image, pixels, points, faces).flip(1)
        ramp = torch.linspace(0, 1, SIZE, device="cuda")[None, None, :, None]
        (gradient,) = torch.autograd.grad((image * ramp).sum(), points)
        images.append(image.detach())
        gradients.append(gradient)
    assert ((images[0] - images[1]).abs().amax(-1) > 0.02).float().mean() < 0.01
    cosine = torch.nn.functional.cosine_similarity(
        gradients[0].flatten(), gradients[1].flatten(), dim=0
    )
    assert cosine > 0.95


def test_hash_grid_as_tinycudann() -> None:
    """The tables lie differently, so functions that both can fit are compared: a linear one."""
    pytest.importorskip("tinycudann")
    generator = torch.Generator().manual_seed(0)
    points = (torch.rand(4000, 3, generator=generator) - 0.5).cuda()
    target = (points * torch.tensor([1.0, -2.0, 0.5], device="cuda")).sum(-1)
    errors = []
    for grid in (HashGrid(SETTINGS, generator).cuda(), TinyCudaHashGrid(SETTINGS, generator)):
        grid = grid.cuda()
        optimizer = torch.optim.Adam(grid.parameters(), lr=0.02)
        for _ in range(200):
            loss = (grid(points).sum(dim=-1) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        errors.append(float(loss))
    assert max(errors) < 0.01 * float(target.square().mean())

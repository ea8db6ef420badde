# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of the encoder, and tiny-cuda-nn's where it is installed."""

import pytest
import torch

from idto3d.head.encoding import TinyCudaHashGrid, make_hash_grid
from idto3d.head.hash_grid import HashGrid, HashGridSettings


def test_cpu_gets_our_own():
    grid = make_hash_grid(HashGridSettings(), torch.Generator())
    assert isinstance(grid, HashGrid)
    assert grid(torch.zeros(4, 3)).shape == (4, grid.width)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_kernels_match_the_cpu_s():
    settings = HashGridSettings()
    grid = HashGrid(settings, torch.Generator().manual_seed(0))
    points = torch.rand(5000, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    features = grid(points)
    features.square().sum().backward()
    gradient, grid.table.grad = grid.table.grad, None
    grid.cuda()
    on_device = grid(points.cuda())
    on_device.square().sum().backward()
    assert torch.allclose(on_device.cpu(), features, rtol=1e-4, atol=1e-9)
    assert torch.allclose(grid.table.grad.cpu(), gradient, rtol=1e-3, atol=1e-8)


def test_tiny_cuda_grid_learns():
    pytest.importorskip("tinycudann")
    settings = HashGridSettings(levels=4)
    grid = make_hash_grid(settings, torch.Generator().manual_seed(0), "cuda")
    assert isinstance(grid, TinyCudaHashGrid)
    points = torch.rand(1000, 3, device="cuda") - 0.5
    optimizer = torch.optim.Adam(grid.parameters(), lr=0.02)
    located = grid.locate(points)
    for _ in range(100):
        loss = (grid(located).sum(dim=-1) - points[:, 0]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert grid(located).shape == (1000, grid.width)
    assert loss < 0.02 * points[:, 0].square().mean()

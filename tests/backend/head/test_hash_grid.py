# SPDX-License-Identifier: GPL-3.0-or-later
"""The Warp kernels against a plain torch twin: values, gradients, dense and hashed levels."""

import pytest
import torch

from idto3d.head.hash_grid import FEATURES, HashGrid, HashGridSettings
from tests.backend.head.reference import encode_reference

SMALL = HashGridSettings(levels=5, log2_table_size=10, base_resolution=3, finest_resolution=70)


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(3)
    inner = torch.rand(500, 3, generator=generator) - 0.5
    # Corners of the cube, its centre, and points outside of it.
    special = torch.tensor([[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5], [0, 0, 0], [0.7, -0.9, 0.1]])
    return torch.cat([inner, special])


def grid_with_large_values(settings: HashGridSettings) -> HashGrid:
    grid = HashGrid(settings, torch.Generator().manual_seed(0))
    with torch.no_grad():
        grid.table.mul_(1e4)
    return grid


def test_settings_cover_dense_and_hashed_levels():
    sizes = SMALL.table_sizes()
    assert sizes[0] == 4**3 and sizes[-1] == 1024
    resolutions = SMALL.resolutions()
    assert resolutions[0] == 3 and resolutions[-1] == 70
    assert HashGridSettings(levels=1).resolutions() == [8]


def test_values_match_the_reference(points):
    grid = grid_with_large_values(SMALL)
    features = grid(points)
    assert features.shape == (len(points), SMALL.levels * FEATURES)
    expected = encode_reference(points, grid.table, SMALL)
    assert torch.allclose(features, expected, atol=1e-5)


def test_gradients_match_the_reference(points):
    grid = grid_with_large_values(SMALL)
    generator = torch.Generator().manual_seed(1)
    upstream = torch.randn(len(points), grid.width, generator=generator)
    (grid(points) * upstream).sum().backward()
    table = grid.table.detach().clone().requires_grad_()
    (encode_reference(points, table, SMALL) * upstream).sum().backward()
    assert grid.table.grad.abs().sum() > 1
    assert torch.allclose(grid.table.grad, table.grad, atol=1e-4)


def test_located_points_encode_as_points_do(points):
    grid = grid_with_large_values(SMALL)
    located = grid.locate(points)
    assert torch.equal(grid(located), grid(points))
    # The weights of each level's eight corners are a partition of one.
    totals = located.weight.sum(dim=-1)
    assert torch.allclose(totals, torch.ones_like(totals), atol=1e-5)


def test_encoding_is_continuous_across_cells():
    grid = grid_with_large_values(SMALL)
    line = torch.linspace(-0.5, 0.5, 20001)[:, None] * torch.ones(3)
    jump = (grid(line)[1:] - grid(line)[:-1]).abs().amax()
    # Slope at most: twice the largest value a cell of the finest level, in each of three axes.
    assert jump < 2 * 70 * 3 / 20000 * 1.01


def test_fits_a_function():
    """A few steps of Adam fit a smooth function: forward and backward belong together."""
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(2000, 3, generator=generator) - 0.5
    target = (6 * points[:, 0]).sin() * points[:, 1]
    grid = HashGrid(SMALL, generator)
    located = grid.locate(points)
    optimizer = torch.optim.Adam(grid.parameters(), lr=0.02)
    for _ in range(100):
        loss = (grid(located).sum(dim=-1) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.02 * target.square().mean()


def test_tables_start_small_and_from_the_generator():
    first, second = (HashGrid(SMALL, torch.Generator().manual_seed(9)).table for _ in range(2))
    assert torch.equal(first, second)
    assert 0.9e-4 < first.abs().max() <= 1e-4


def test_no_points():
    grid = HashGrid(SMALL, torch.Generator())
    assert grid(torch.empty(0, 3)).shape == (0, grid.width)

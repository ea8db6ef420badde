# SPDX-License-Identifier: GPL-3.0-or-later
"""Orientation and measure of equirectangular maps."""

import math

import pytest
import torch

from idto3d.render.panorama import directions, mean_luminance, solid_angles, to_map


def test_orientation():
    view = directions(64, 128)
    assert view[0, 0, 1] > 0.99 and view[-1, 0, 1] < -0.99
    assert view[31, 63, 2] > 0.99  # the middle looks along +Z
    assert view[31, 95, 0] < -0.99  # to the right of it lies -X
    assert view[31, 31, 0] > 0.99
    assert torch.allclose(view.norm(dim=-1), torch.ones(64, 128))


def test_directions_and_map_positions_are_inverse():
    column, row = to_map(directions(16, 32), 16, 32)
    assert torch.allclose(column, torch.arange(32.0).expand(16, 32), atol=1e-4)
    assert torch.allclose(row, torch.arange(16.0)[:, None].expand(16, 32), atol=1e-4)


def test_poles_have_a_place_and_a_finite_gradient():
    poles = torch.tensor([[0.0, 1, 0], [0, -1, 0]], requires_grad=True)
    column, row = to_map(poles, 16, 32)
    assert row.tolist() == pytest.approx([-0.5, 15.5], abs=1e-4)
    (column.sum() + row.sum()).backward()
    assert poles.grad.isfinite().all()


def test_solid_angles_fill_the_sphere():
    assert solid_angles(32, 64).sum().item() * 64 == pytest.approx(4 * math.pi, rel=1e-6)
    # A band's share of the sphere is its share of the height (Archimedes).
    top = solid_angles(32, 64)[:8].sum().item() * 64
    assert top == pytest.approx(2 * math.pi * (1 - math.cos(math.pi / 4)), rel=1e-5)


def test_mean_luminance_weighs_by_solid_angle():
    half = torch.zeros(32, 64, 3)
    half[:16] = 2.0
    assert mean_luminance(half).item() == pytest.approx(1.0, rel=1e-5)
    cap = torch.zeros(32, 64, 3)
    cap[:8, :, 1] = 1.0
    expected = 0.7152 * (1 - math.cos(math.pi / 4)) / 2
    assert mean_luminance(cap).item() == pytest.approx(expected, rel=1e-5)

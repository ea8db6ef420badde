# SPDX-License-Identifier: GPL-3.0-or-later
"""The deformation field: zero start, topology, subsets, the set of latents, gradients."""

import pytest
import torch

from idto3d.head.deformation_field import DeformationField, DeformationFieldSettings
from idto3d.head.hash_grid import HashGridSettings
from tests.backend.head.shapes import icosphere

SETTINGS = DeformationFieldSettings(
    grid=HashGridSettings(levels=4, log2_table_size=10, base_resolution=4, finest_resolution=32)
)
COUNT = 5


@pytest.fixture
def field():
    return DeformationField(COUNT, SETTINGS, torch.Generator().manual_seed(0))


@pytest.fixture
def awake(field):
    """A field whose last layer is no longer zero."""
    with torch.no_grad():
        field.last.weight.normal_(generator=torch.Generator().manual_seed(1))
    return field


@pytest.fixture(scope="module")
def points():
    return icosphere(3, radius=0.3)[0]


def test_starts_at_exactly_zero_and_can_leave_it(field, points):
    displacement = field(points)
    assert displacement.shape == (COUNT, len(points), 3)
    assert (displacement == 0).all()
    displacement.sum().backward()
    assert field.last.bias.grad.abs().min() > 0


def test_subset_is_the_same_rows(awake, points):
    whole = awake(points)
    subset = awake(points, torch.tensor([3, 0]))
    assert subset.shape == (2, len(points), 3)
    assert torch.allclose(subset, whole[[3, 0]], atol=1e-6)


def test_expressions_differ_by_their_latents_alone(awake, points):
    before = awake(points)
    assert (before[0] - before[1]).abs().max() > 1e-4
    order = torch.tensor([4, 2, 0, 1, 3])
    with torch.no_grad():
        awake.latents.copy_(awake.latents[order])
    # A set has no order: permuted latents give permuted displacements.
    assert torch.allclose(awake(points), before[order], atol=1e-5)


def test_expressions_listen_to_each_other(awake, points):
    before = awake(points)[0]
    with torch.no_grad():
        awake.latents[1] += 1
    assert not torch.allclose(awake(points)[0], before, atol=1e-6)


def test_every_parameter_learns(awake, points):
    awake(points, torch.tensor([2])).square().sum().backward()
    for name, parameter in awake.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_displacement_is_not_clamped(awake, points):
    with torch.no_grad():
        awake.last.bias.fill_(100)
    assert awake(points).abs().max() > 4


def test_expressions_part_under_guidance(field):
    """Two expressions on one mesh learn opposite motions; faces stay, a third stays moderate."""
    vertices, faces = icosphere(3, radius=0.3)
    located = field.locate(vertices)
    target = torch.zeros(2, len(vertices), 3)
    target[0, :, 1], target[1, :, 1] = 0.03 * vertices[:, 0], -0.03
    optimizer = torch.optim.Adam(field.parameters(), lr=3e-3)
    initial = target.square().mean()
    for _ in range(120):
        loss = (field(located, torch.tensor([0, 1])) - target).square().mean() / initial
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.02
    deformed = vertices + field(located)
    assert deformed.shape == (COUNT, len(vertices), 3)
    assert deformed.isfinite().all()


def test_seed_decides(points):
    first, second = (
        DeformationField(COUNT, SETTINGS, torch.Generator().manual_seed(7)) for _ in range(2)
    )
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)

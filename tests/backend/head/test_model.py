# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's head in both representations: extracted from the lattice and wrapped."""

import dataclasses

import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.model import HeadModel
from idto3d.head.signed_distance import mesh_signed_distance
from idto3d.head.template import Template, load_template
from idto3d.settings import GeometrySettings
from tests.backend.head.shapes import assert_closed

RESOLUTION = 40
CELL = 1.0 / RESOLUTION
SETTINGS = GeometrySettings(lattice_resolution=RESOLUTION)
SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
EVERYTHING = torch.arange(3)


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz").subdivided()


@pytest.fixture
def head(template: Template) -> HeadModel:
    expressions = [template.from_canonical(arkit) for arkit in ({}, SMILE, {"jawOpen": 0.7})]
    identity = torch.zeros(len(template.identity_basis))
    return HeadModel(
        template.canonical(identity),
        template.faces,
        torch.stack(expressions),
        SETTINGS,
        torch.Generator().manual_seed(0),
    )


def wake(head: HeadModel, spread: float = 0.05) -> None:
    """Give the fields' last layers weights: a bumpy head whose expressions move by themselves."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for field in (head.canonical_field, head.deformation_field):
            for name, parameter in field.named_parameters():
                if "grid" in name:
                    parameter.uniform_(-0.5, 0.5, generator=generator)
                elif not parameter.abs().max() > 0:
                    parameter.normal_(0, spread, generator=generator)


def test_starts_as_the_template(head: HeadModel) -> None:
    chosen = torch.tensor([2, 0])
    surface = head.wrapped(chosen)
    assert torch.equal(surface.vertices, head.template)
    assert torch.equal(surface.faces, head.faces)
    assert torch.equal(surface.displacement, head.expressions[chosen])
    assert torch.equal(surface.posed(), head.template + head.expressions[chosen])
    assert surface.shape.shape == head.template.shape and surface.shape.abs().max() == 0
    assert len(surface.motion) == 2 and surface.motion.abs().max() == 0


@torch.no_grad()
def test_extracted_is_within_a_cell_of_wrapped(head: HeadModel) -> None:
    extracted, wrapped = head.extracted(EVERYTHING), head.wrapped(EVERYTHING)
    assert_closed(extracted.faces)
    miss = mesh_signed_distance(extracted.vertices, wrapped.vertices, wrapped.faces).abs()
    assert miss.max() < 0.5 * CELL and miss.mean() < 0.05 * CELL
    for mine, theirs in zip(extracted.posed(), wrapped.posed(), strict=True):
        miss = mesh_signed_distance(mine, theirs, wrapped.faces).abs()
        assert miss.mean() < 0.1 * CELL and miss.quantile(0.99) < CELL


@torch.no_grad()
def test_both_follow_the_fields(head: HeadModel) -> None:
    """Away from the start the two still show one head."""
    wake(head)
    extracted, wrapped = head.extracted(EVERYTHING), head.wrapped(EVERYTHING)
    moved = (wrapped.vertices - head.template).norm(dim=1)
    assert moved.max() > 0.2 * CELL
    assert (wrapped.displacement - head.expressions).norm(dim=-1).max() > 0.1 * CELL
    miss = mesh_signed_distance(extracted.vertices, wrapped.vertices, wrapped.faces).abs()
    assert miss.mean() < 0.1 * CELL and miss.quantile(0.99) < 0.7 * CELL


def test_chosen_expressions_are_rows_of_all(head: HeadModel) -> None:
    wake(head)
    chosen = torch.tensor([2, 1])
    for show in (head.wrapped, head.extracted):
        whole, part = show(EVERYTHING), show(chosen)
        assert torch.equal(part.vertices, whole.vertices)
        assert torch.allclose(part.displacement, whole.displacement[chosen], atol=1e-6)
        assert torch.allclose(part.motion, whole.motion[chosen], atol=1e-6)


@torch.no_grad()
def test_learned_motion_is_the_field_between_coarse_vertices(head: HeadModel) -> None:
    """Asking the field at every vertex of the template would give nearly the same."""
    wake(head)
    learned = head.wrapped(EVERYTHING).displacement - head.expressions
    asked = head.deformation_field(head.template, EVERYTHING)
    difference = (learned - asked).square().mean().sqrt()
    # Grid features here are white noise at every level, the roughest field there can be.
    assert difference < 0.35 * asked.square().mean().sqrt()


@torch.no_grad()
def test_extracted_wears_the_motion_of_the_nearest_point_of_the_template(head: HeadModel) -> None:
    wake(head)
    extracted, wrapped = head.extracted(EVERYTHING), head.wrapped(EVERYTHING)
    nearest = torch.cdist(extracted.vertices[::50], head.template).argmin(dim=1)
    expected = wrapped.displacement[:, nearest]
    found = extracted.displacement[:, ::50]
    assert (found - expected).square().mean().sqrt() < 0.2 * expected.square().mean().sqrt()


@pytest.mark.parametrize("representation", ["wrapped", "extracted"])
def test_gradients_reach_both_fields(head: HeadModel, representation: str) -> None:
    wake(head)
    surface = getattr(head, representation)(EVERYTHING)
    surface.posed().square().sum().backward()
    for field in (head.canonical_field, head.deformation_field):
        for name, parameter in field.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
            assert parameter.grad.isfinite().all(), name


def test_optimisation_grows_the_head_in_both(head: HeadModel) -> None:
    """Marching tetrahedra's gradient moves the same field that the wrapped template shows."""
    optimizer = torch.optim.Adam(head.canonical_field.parameters(), lr=5e-3)
    first = head.wrapped(EVERYTHING).vertices.norm(dim=1).mean().item()
    for _ in range(12):
        loss = -head.extracted(EVERYTHING[:1]).vertices.norm(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        extracted, wrapped = head.extracted(EVERYTHING[:1]), head.wrapped(EVERYTHING[:1])
    assert wrapped.vertices.norm(dim=1).mean() > first + 0.3 * CELL
    assert_closed(extracted.faces)
    miss = mesh_signed_distance(extracted.vertices, wrapped.vertices, wrapped.faces).abs()
    assert miss.mean() < 0.15 * CELL


@torch.no_grad()
def test_regularization(head: HeadModel) -> None:
    """None at the start; a shift is size without roughness, noise is both."""
    surface = head.wrapped(EVERYTHING)
    assert [float(value) for value in head.regularization(surface)] == [0, 0]
    limit = SETTINGS.max_displacement
    generator = torch.Generator().manual_seed(2)
    parts = {"shape": surface.shape, "motion": surface.motion}
    shift = {name: torch.full_like(part, 0.5 * limit) for name, part in parts.items()}
    noise = {
        name: 0.5 * limit * torch.randn(part.shape, generator=generator)
        for name, part in parts.items()
    }
    for change, rough in ((shift, False), (noise, True)):
        roughness, size = head.regularization(dataclasses.replace(surface, **change))
        assert float(size) == pytest.approx(0.75, rel=0.05)
        assert float(roughness) > 0.1 if rough else float(roughness) < 1e-6


@torch.no_grad()
def test_checkpoint_keeps_the_band(head: HeadModel) -> None:
    """After a restart the extracted mesh is the same vertex for vertex."""
    head.extracted(EVERYTHING)
    wake(head, spread=0.02)
    before = head.extracted(EVERYTHING)
    state = head.state_dict()
    again = HeadModel(
        head.template,
        head.faces,
        head.expressions,
        SETTINGS,
        torch.Generator().manual_seed(9),
    )
    again.load_state_dict(state)
    after = again.extracted(EVERYTHING)
    assert torch.equal(after.faces, before.faces)
    assert torch.equal(after.posed(), before.posed())

# SPDX-License-Identifier: GPL-3.0-or-later
"""The wrapped template lies on the level set that an extraction would find."""

import math

import pytest
import torch

from idto3d.head.canonical_field import CanonicalField, CanonicalFieldSettings
from idto3d.head.marching_tetrahedra import extract_surface
from idto3d.head.narrow_band import build_band
from idto3d.head.signed_distance import mesh_signed_distance
from idto3d.head.wrap import wrap
from tests.backend.head.shapes import icosphere, sphere

SETTINGS = CanonicalFieldSettings()
RESOLUTION = 32


@pytest.fixture
def field():
    return CanonicalField(SETTINGS, RESOLUTION, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("growth", [-0.03, 0.02])
def test_constant_residual_gives_a_sphere_of_another_radius(field, growth):
    vertices, _ = icosphere(3, radius=0.3)
    with torch.no_grad():
        field.perceptron[-1].bias[0] = math.atanh(-growth / SETTINGS.max_displacement)
    wrapped = wrap(vertices, vertices / 0.3, field)
    assert torch.allclose(wrapped.norm(dim=1), torch.tensor(0.3 + growth), atol=1e-6)


def test_zero_field_is_the_template(field):
    vertices, _ = icosphere(3, radius=0.3)
    assert torch.equal(wrap(vertices, vertices / 0.3, field), vertices)


def test_wrapped_vertices_lie_on_the_extracted_surface(field):
    """With a residual that varies over space, and with a vertex offset."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        field.perceptron[-1].weight.normal_(0, 0.3, generator=generator)
        # The residual varies from point to point, the offset is the same everywhere.
        field.perceptron[-1].weight[1:] = 0
        field.perceptron[-1].bias.copy_(torch.tensor([-0.2, 0.3, -0.4, 0.2]))
        vertices, _ = icosphere(4, radius=0.3)
        normals = vertices / 0.3
        wrapped = wrap(vertices, normals, field, field.locate(vertices))
        band = build_band(lambda p: sphere(0.3)(p) + field(p)[0], RESOLUTION)
        residual, offset = field(band.lattice.vertices)
        sdf = sphere(0.3)(band.lattice.vertices) + residual
        surface = extract_surface(
            band.lattice.vertices + offset, sdf, band.lattice.tetrahedra, band.lattice.edges
        )
    moved = (wrapped - vertices).norm(dim=1)
    assert moved.max() > 0.4 / RESOLUTION
    miss = mesh_signed_distance(wrapped, surface.vertices, surface.faces).abs()
    assert miss.max() < 0.1 / RESOLUTION
    assert miss.mean() < 0.1 * moved.mean()


def test_gradient_pushes_along_the_normal(field):
    vertices, _ = icosphere(2, radius=0.3)
    wrapped = wrap(vertices, vertices / 0.3, field)
    wrapped.norm(dim=1).mean().backward()
    # d radius / d residual = -1: the last layer's first bias sees minus max_displacement.
    bias = field.perceptron[-1].bias.grad
    assert bias[0] == pytest.approx(-SETTINGS.max_displacement, rel=1e-4)

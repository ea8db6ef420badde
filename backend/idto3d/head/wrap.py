# SPDX-License-Identifier: GPL-3.0-or-later
"""The template laid onto the canonical field's surface.

Near the template |grad template_sdf| = 1, so the level set of template_sdf + residual through a
template vertex v lies, to first order in the residual's slope, at v - residual(v) n(v): outward
where the residual is negative. A vertex offset moves the surface as it moves the lattice. What
comes out has the template's topology and keeps its detail below a lattice cell, such as eyelids
and lips, which an extraction would cut off; it is used in the refinement and for the asset.
"""

import torch

from idto3d.head.canonical_field import CanonicalField
from idto3d.head.hash_grid import LocatedPoints


def wrap(
    template_vertices: torch.Tensor,
    normals: torch.Tensor,
    canonical_field: CanonicalField,
    located: LocatedPoints | None = None,
) -> torch.Tensor:
    """Template vertices on the displaced surface: (V,3) float32, differentiable in the field.

    template_vertices (V,3) in units, normals (V,3) outward and of unit length. No vertex moves
    farther than the field's max_displacement plus its offset limit. Pass `located =
    canonical_field.locate(template_vertices)` when the template stays the same from step to step.
    """
    residual, offset = canonical_field(template_vertices if located is None else located)
    return template_vertices - residual[:, None] * normals + offset

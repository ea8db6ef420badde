# SPDX-License-Identifier: GPL-3.0-or-later
"""The template laid on another head's surface, so that the other's shape can be told in it.

Non-rigid iterated closest points, point to plane, with a thin plate that softens (Amberg et al.,
"Optimal step nonrigid ICP algorithms for surface registration", CVPR 2007).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch

from idto3d.evaluation.geometry import Surface
from idto3d.head.regions import SKIN
from idto3d.head.relief import cotangent_laplacian, solve
from idto3d.head.template import NOSE_RIDGE, Template
from idto3d.render.normals import vertex_normals
from idto3d.training.anny_head import NECK_BASE

# Of the passes: the plate's stiffness, and how far (units) a closest point may lie.
PASSES = ((1e-4, 0.06), (1e-5, 0.05), (1e-6, 0.04), (1e-7, 0.03))
STEPS = 4  # each
POINT_SHARE = 0.02  # of the point-to-point term, which keeps flat directions from sliding
ALIKE = 0.6  # cosine between normals of points that may belong together
CLOSE = 0.006  # units, 2 mm: farther vertices did not arrive
NECK_MARGIN = 0.085  # above the neck's base heads are cut off here or there
# Landmarks that both models mark at the same places: eyes, nostrils, lips.
SAME = slice(NOSE_RIDGE.stop, 68)


@dataclass(frozen=True)
class Correspondence:
    """Where each of V template vertices lies on another head's triangles."""

    corners: np.ndarray  # (V,3) the other head's vertices
    weights: np.ndarray  # (V,3) barycentric
    valid: np.ndarray  # (V,) bool; False where the heads don't match: mouth, nostrils, eyes, neck

    def carried(self, vertices: np.ndarray) -> np.ndarray:
        """(V,3) where the template's vertices lie on the other head with vertices (W,3)."""
        return (vertices[self.corners] * self.weights[..., None]).sum(axis=1)


def correspondence(
    template: Template,
    start: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    landmarks: np.ndarray,
) -> Correspondence:
    """Lay the template, at start (V,3) roughly in place, on the skin (W,3), (F,3).

    landmarks: (68,) vertices of the other head; those of `SAME` are held on to.
    """
    count = len(start)
    surface = Surface(vertices.astype(np.float32), faces)
    outward = vertex_normals(
        torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(faces)
    ).numpy()
    laplacian, area = cotangent_laplacian(template.faces.numpy(), start)
    bending = laplacian @ sparse.diags(1 / area) @ laplacian
    skin = (template.part.numpy() == SKIN) & (start[:, 1] > NECK_BASE + NECK_MARGIN)
    marks = template.landmarks.numpy()[SAME]
    held = np.zeros(count)
    held[marks] = area.mean()
    goal = np.zeros((count, 3))
    goal[marks] = vertices[landmarks[SAME]] - start[marks]
    offset = np.zeros((count, 3))
    for stiffness, reach in PASSES:
        for _ in range(STEPS):
            pairs = _closest(template, start + offset, surface, vertices, faces, outward)
            near = np.linalg.norm(pairs.point - start - offset, axis=1) < reach
            weight = area * (skin & near & (pairs.alike > ALIKE))
            spring = sparse.kron(
                stiffness * bending + sparse.diags(POINT_SHARE * weight + held + 1e-8),
                sparse.eye(3),
            )
            planes = sparse.csr_matrix(
                (
                    (np.sqrt(weight)[:, None] * pairs.normal).ravel(),
                    (np.repeat(np.arange(count), 3), np.arange(3 * count)),
                ),
                shape=(count, 3 * count),
            )
            towards = pairs.point - start
            right = POINT_SHARE * weight[:, None] * towards + held[:, None] * goal
            along = np.sqrt(weight) * (pairs.normal * towards).sum(axis=1)
            system = sparse.csc_matrix(spring + planes.T @ planes)
            offset = solve(system, right.ravel() + planes.T @ along).reshape(count, 3)
    pairs = _closest(template, start + offset, surface, vertices, faces, outward)
    arrived = np.linalg.norm(pairs.point - start - offset, axis=1) < CLOSE
    return Correspondence(
        faces[pairs.triangle], pairs.weights, skin & arrived & (pairs.alike > ALIKE)
    )


@dataclass(frozen=True)
class _Pairs:
    """The closest points of V positions."""

    triangle: np.ndarray  # (V,)
    weights: np.ndarray  # (V,3)
    point: np.ndarray  # (V,3)
    normal: np.ndarray  # (V,3) unit, of the other head
    alike: np.ndarray  # (V,) cosine between both normals


def _closest(
    template: Template,
    positions: np.ndarray,
    surface: Surface,
    vertices: np.ndarray,
    faces: np.ndarray,
    outward: np.ndarray,
) -> _Pairs:
    triangle, weights = surface.locate(positions)
    corners = faces[triangle]
    normal = (outward[corners] * weights[..., None]).sum(axis=1)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    own = vertex_normals(torch.from_numpy(positions.astype(np.float32)), template.faces).numpy()
    point = (vertices[corners] * weights[..., None]).sum(axis=1)
    return _Pairs(triangle, weights, point, normal, (own * normal).sum(axis=1))

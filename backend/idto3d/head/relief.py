# SPDX-License-Identifier: GPL-3.0-or-later
"""The face drawn to the normals that the photos show: what no template's basis can express.

A surface follows a field of normals when its edges are perpendicular to them (Nehab et al.,
"Efficiently combining positions and normals for precise 3D geometry", SIGGRAPH 2005): linear
equations in the vertices, one for each edge that a photo shows, solved with a thin plate's
stiffness that keeps the correction smooth and small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from idto3d.head.evidence import shown
from idto3d.head.fit import PhotoFit
from idto3d.head.regions import SKIN, face_centimetre, hair_mask, smoothstep
from idto3d.head.template import CHIN, JAW_ENDS, Template
from idto3d.identity.intrinsic_images import IntrinsicImages

# How stiff the correction is, and how it is held where it was, against one square unit of surface
# on which one photo's normals are known to one radian. Chosen on 16 synthetic people.
STIFFNESS, HOLD = 0.01, 3e4
# A normal further off than this (sine) is no small error: a hand, hair, a wrong expression.
ROBUST = 0.3
RIM = 5  # edges over which the correction fades out around the face
STEPS = 4  # of solving and looking again where the vertices lie in the photos


@dataclass(frozen=True)
class _Mesh:
    """What stays the same while the vertices move."""

    edges: np.ndarray  # (E,2)
    area: np.ndarray  # (V,) square units
    length: np.ndarray  # (E,) units
    stiffness: sparse.csr_matrix  # (3V,3V)
    free: np.ndarray  # indices of the coordinates that may move, among 3V


def with_relief(
    template: Template,
    coefficients: torch.Tensor,
    photos: Sequence[PhotoFit],
    images: Sequence[Sequence[IntrinsicImages]],
) -> Template:
    """The template made one person's own: its mean moved so that the face follows the photos.

    Args:
        coefficients: (I,) identity; they stay.
        photos: pose and expression of the head in each photo.
        images: for each photo its squares' intrinsic images.
    """
    neutral = template.neutral(coefficients).double().numpy()
    offset = relief(template, neutral, photos, images)
    return template.moved(torch.from_numpy(offset.astype(np.float32)))


def relief(
    template: Template,
    neutral: np.ndarray,
    photos: Sequence[PhotoFit],
    images: Sequence[Sequence[IntrinsicImages]],
) -> np.ndarray:
    """How the neutral head's vertices (V,3) move, (V,3) units; see `with_relief`."""
    offset = np.zeros_like(neutral)
    region = face_weight(template, neutral)
    mesh = _mesh(template.faces.numpy(), neutral, region)
    used = [pair for pair in zip(photos, images, strict=True) if pair[0].understood]
    motions = [template.expression(photo.arkit).double().numpy() for photo, _ in used]
    for _ in range(STEPS if used else 0):
        system, right = mesh.stiffness, np.zeros(neutral.size)
        for (photo, seen), motion in zip(used, motions, strict=True):
            rows, values = _equations(template, mesh, neutral + motion, offset, photo, seen, region)
            system = system + rows.T @ rows
            right = right + rows.T @ values
        offset.flat[mesh.free] = solve(system[mesh.free][:, mesh.free], right[mesh.free])
    return offset


def face_weight(template: Template, neutral: np.ndarray) -> np.ndarray:
    """Weight (V,) in [0,1] of the bare face: skin in front of the ears, without scalp and neck."""
    marks = neutral[template.landmarks.numpy()]
    cm = face_centimetre(marks)
    skin = template.part.numpy() == SKIN
    hair = hair_mask(neutral, marks)
    ears, chin = marks[JAW_ENDS, 2].mean(), marks[CHIN, 1]
    front = smoothstep(ears - cm, ears + cm, neutral[:, 2])
    above = smoothstep(chin - 2 * cm, chin, neutral[:, 1])
    return skin * (1 - hair) * front * above


def _equations(
    template: Template,
    mesh: _Mesh,
    start: np.ndarray,
    offset: np.ndarray,
    photo: PhotoFit,
    images: Sequence[IntrinsicImages],
    region: np.ndarray,
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows (N,3V) and right sides (N,) for the whole offset; start (V,3) is where it is zero."""
    positions = start + offset
    found = shown(template, photo.pose, positions, images, np.arange(len(positions)))
    weight = region * found.weight * mesh.area
    one, other = mesh.edges.T
    both = np.flatnonzero((weight[one] > 0) & (weight[other] > 0))
    one, other, length = one[both], other[both], mesh.length[both]
    normal = found.normal[[one, other]].sum(axis=0)
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    off = (normal * (positions[other] - positions[one])).sum(axis=1) / length
    # Geman and McClure's weight: what is far off lets go.
    scale = np.sqrt(0.5 * (weight[one] + weight[other])) / (1 + (off / ROBUST) ** 2) / length
    rows = np.repeat(np.arange(len(both)), 6)
    columns = np.concatenate(
        [3 * other[:, None] + np.arange(3), 3 * one[:, None] + np.arange(3)], axis=1
    )
    values = np.concatenate([normal, -normal], axis=1) * scale[:, None]
    matrix = sparse.csr_matrix(
        (values.ravel(), (rows, columns.ravel())), shape=(len(both), start.size)
    )
    return matrix, -(normal * (start[other] - start[one])).sum(axis=1) * scale


def _mesh(faces: np.ndarray, positions: np.ndarray, region: np.ndarray) -> _Mesh:
    """region (V,): weights; RIM edges around where they are above zero nothing moves."""
    pairs = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges = np.unique(pairs, axis=0)
    laplacian, area = cotangent_laplacian(faces, positions)
    bending = laplacian @ sparse.diags(1 / area) @ laplacian
    energy = STIFFNESS * bending + HOLD * sparse.diags(area)
    length = np.linalg.norm(positions[edges[:, 1]] - positions[edges[:, 0]], axis=1)
    near = region > 0
    for _ in range(RIM):
        near = near | (laplacian @ near.astype(np.float64) != 0)
    free = np.flatnonzero(np.repeat(near, 3))
    return _Mesh(edges, area, length, sparse.kron(energy, sparse.eye(3)).tocsr(), free)


def cotangent_laplacian(
    faces: np.ndarray, positions: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Matrix (V,V), positive semidefinite, and the area (V,) of each vertex.

    Pinkall and Polthier, "Computing discrete minimal surfaces", 1993. Cotangents are kept
    positive, so that slivers don't turn the sign.
    """
    count = len(positions)
    rows, columns, values = [], [], []
    area = np.zeros(count)
    for a, b, c in (faces.T, np.roll(faces.T, -1, axis=0), np.roll(faces.T, -2, axis=0)):
        to_a, to_b = positions[a] - positions[c], positions[b] - positions[c]
        twice = np.linalg.norm(np.cross(to_a, to_b), axis=1)
        cotangent = (to_a * to_b).sum(axis=1) / np.maximum(twice, 1e-12)
        weight = 0.5 * np.clip(cotangent, 0.05, 5.0)
        rows += [a, b]
        columns += [b, a]
        values += [weight, weight]
        area += np.bincount(c, 0.5 * twice / 3, minlength=count)
    shape = (count, count)
    flat = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    adjacency = sparse.csr_matrix(flat, shape=shape)
    degree = sparse.diags(np.asarray(adjacency.sum(axis=1)).ravel())
    return (degree - adjacency).tocsr(), np.maximum(area, 1e-12)


def solve(system: sparse.spmatrix, right: np.ndarray) -> np.ndarray:
    """Of a symmetric positive definite system."""
    factors = splu(
        sparse.csc_matrix(system),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return factors.solve(right)

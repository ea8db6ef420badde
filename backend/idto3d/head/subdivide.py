# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop subdivision as one sparse matrix, so that every linear basis subdivides with the mesh."""

import numpy as np
import scipy.sparse as sparse
import torch

from idto3d.head.sparse_matrix import SparseMatrix


def loop_subdivision(faces: np.ndarray, vertex_count: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """One step of Loop's scheme (Loop 1987, with Warren's beta) on a triangle mesh with boundary.

    faces: (F,3) integers. Returns (matrix (V',V) with V' = V + edges, faces (4F,3) int64);
    new positions are `matrix @ positions`, and so are displacements, colours or UVs.
    Boundary edges follow the cubic B-spline rule, so an open neck stays a smooth curve.
    """
    faces = np.asarray(faces, dtype=np.int64)
    half_edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    edges, edge_of, use_count = np.unique(
        np.sort(half_edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    edge_of = edge_of.ravel()
    edge_count = len(edges)
    boundary = use_count == 1

    # Odd (edge) vertices: 3/8 for the ends and 1/8 for the two opposite corners; midpoints on
    # the boundary.
    end_weight = np.where(boundary, 0.5, 0.375)
    rows = [np.arange(edge_count), np.arange(edge_count), edge_of]
    columns = [edges[:, 0], edges[:, 1], opposite]
    weights = [end_weight, end_weight, np.where(boundary[edge_of], 0.0, 0.125)]
    odd = sparse.csr_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))),
        shape=(edge_count, vertex_count),
    )

    both = np.concatenate([edges, edges[:, ::-1]])
    adjacency = sparse.csr_matrix(
        (np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(vertex_count, vertex_count)
    )
    rim = np.concatenate([edges[boundary], edges[boundary][:, ::-1]])
    rim_adjacency = sparse.csr_matrix(
        (np.ones(len(rim)), (rim[:, 0], rim[:, 1])), shape=(vertex_count, vertex_count)
    )
    on_rim = np.asarray(rim_adjacency.sum(axis=1)).ravel() > 0
    valence = np.maximum(np.asarray(adjacency.sum(axis=1)).ravel(), 1.0)
    beta = np.where(valence == 3, 3.0 / 16.0, 3.0 / (8.0 * valence))
    inner = sparse.diags(np.where(on_rim, 0.0, beta)) @ adjacency
    outer = sparse.diags(np.where(on_rim, 0.125, 0.0)) @ rim_adjacency
    even = sparse.diags(np.where(on_rim, 0.75, 1.0 - valence * beta)) + inner + outer

    first, second, third = edge_of.reshape(3, -1) + vertex_count
    a, b, c = faces.T
    new_faces = np.concatenate(
        [
            np.stack(corner, axis=1)
            for corner in ((a, first, third), (b, second, first), (c, third, second))
        ]
        + [np.stack([first, second, third], axis=1)]
    )
    return sparse.vstack([even, odd]).tocsr(), new_faces


def coarse_faces(faces: torch.Tensor) -> torch.Tensor:
    """The faces (F,3) that `loop_subdivision` made `faces` (4F,3) of; they run over the first of
    the finer vertices."""
    count = len(faces) // 4
    return faces[: 3 * count].view(3, count, 3)[:, :, 0].T.contiguous()


def loop_operator(faces: torch.Tensor, vertex_count: int) -> SparseMatrix:
    """`loop_subdivision`'s matrix for values of the vertices of faces (F,3) at every step."""
    matrix, _ = loop_subdivision(faces.cpu().numpy(), vertex_count)
    entries = matrix.tocoo()
    rows, columns, values = (
        torch.from_numpy(part).to(faces.device) for part in (entries.row, entries.col, entries.data)
    )
    return SparseMatrix(rows.long(), columns.long(), values.float(), matrix.shape)

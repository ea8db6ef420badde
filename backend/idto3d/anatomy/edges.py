# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways along a mesh's edges: the rims of lids and lips between their landmarks."""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra


def edge_graph(positions: np.ndarray, faces: np.ndarray) -> csr_matrix:
    """Lengths (V,V) of the edges of a mesh, positions (V,3), faces (F,3)."""
    start, end = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    both = np.unique(np.sort(np.stack([start, end], axis=1), axis=1), axis=0)
    length = np.linalg.norm(positions[both[:, 0]] - positions[both[:, 1]], axis=1)
    count = len(positions)
    half = coo_matrix((length, (both[:, 0], both[:, 1])), shape=(count, count)).tocsr()
    return half + half.T


def way_along(graph: csr_matrix, stops: np.ndarray) -> np.ndarray:
    """Vertices (n,) of the shortest way along the edges past all stops (S,), in their order."""
    _, before = dijkstra(graph, indices=stops[:-1], return_predecessors=True)
    vertices = [int(stops[-1])]
    for leg in reversed(range(len(stops) - 1)):
        while vertices[-1] != stops[leg]:
            vertices.append(int(before[leg, vertices[-1]]))
    return np.array(vertices[::-1])

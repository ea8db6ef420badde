# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer faces for the same head, with every pose kept.

Edges are collapsed by quadric error (Garland and Heckbert 1997, in the `fast_simplification`
wheel) on the canonical surface, where the lips are apart. Each new vertex then finds the point of
the original surface that it stands for and takes that point's displacement in every pose.
"""

import fast_simplification
import numpy as np

from idto3d.asset.mesh import PosedMesh


def simplify(mesh: PosedMesh, target_faces: int) -> PosedMesh:
    """Reduce a mesh to about `target_faces` faces; all poses keep sharing vertices and faces.

    Returns the mesh itself when it is small enough already. Raises ValueError for a target
    below 4 faces.
    """
    if target_faces < 4:
        raise ValueError(f"a closed surface needs 4 faces, {target_faces} were asked for")
    if len(mesh.faces) <= target_faces:
        return mesh
    vertices = np.ascontiguousarray(mesh.canonical, dtype=np.float32)
    triangles = np.ascontiguousarray(mesh.faces, dtype=np.int32)
    # The default aggressiveness (7) reaches the target in fewer passes but leaves slivers.
    _, _, collapses = fast_simplification.simplify(
        vertices, triangles, target_count=target_faces, agg=4, return_collapses=True
    )
    canonical, faces, cluster = fast_simplification.replay_simplification(
        vertices, triangles, collapses
    )
    canonical = np.asarray(canonical, dtype=np.float32)
    face, barycentric = _project_on_cluster(canonical, mesh, np.asarray(cluster))
    displacement = np.einsum(
        "vc,kvcd->kvd", barycentric, mesh.displacement[:, mesh.faces[face]]
    ).astype(np.float32)
    return PosedMesh(canonical, displacement, np.asarray(faces, dtype=np.int64))


def _project_on_cluster(
    points: np.ndarray, mesh: PosedMesh, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest point of the original surface for each new vertex, among its own faces only.

    points: (N,3) new vertices. cluster: (V,) the new vertex that each original one became part
    of. Only faces with a corner in a vertex's cluster are its candidates, so a vertex of the
    eyelid can't land on the eyeball however close they are.
    Returns face index (N,) int64 and barycentric (N,3) float32.
    """
    owner = cluster[mesh.faces].reshape(-1)
    face = np.repeat(np.arange(len(mesh.faces)), 3)
    pairs = np.unique(owner[owner >= 0].astype(np.int64) * len(mesh.faces) + face[owner >= 0])
    owner, face = pairs // len(mesh.faces), pairs % len(mesh.faces)
    corners = mesh.canonical[mesh.faces[face]]
    barycentric = closest_barycentric(points[owner], corners)
    nearest = np.einsum("nc,ncd->nd", barycentric, corners)
    distance = np.square(nearest - points[owner]).sum(axis=1)
    order = np.lexsort((distance, owner))
    owners, first = np.unique(owner[order], return_index=True)
    if len(owners) != len(points):
        raise ValueError("the simplified mesh has a vertex that no original vertex became")
    best = order[first]
    return face[best], barycentric[best].astype(np.float32)


def closest_barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates (N,3) of the triangle points nearest to points.

    points: (N,3). corners: (N,3,3), one triangle for each point. Voronoi regions of the corners,
    edges and the inside in turn (Ericson, Real-Time Collision Detection, section 5.1.5).
    """
    origin = corners[:, 0].astype(np.float64)
    side_1, side_2 = corners[:, 1] - origin, corners[:, 2] - origin

    def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.einsum("nd,nd->n", first, second)

    from_0, from_1, from_2 = points - origin, points - corners[:, 1], points - corners[:, 2]
    d1, d2 = dot(side_1, from_0), dot(side_2, from_0)
    d3, d4 = dot(side_1, from_1), dot(side_2, from_1)
    d5, d6 = dot(side_1, from_2), dot(side_2, from_2)
    area_0, area_1, area_2 = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    regions = [
        ((d1 <= 0) & (d2 <= 0), (1.0, 0.0, 0.0)),
        ((d3 >= 0) & (d4 <= d3), (0.0, 1.0, 0.0)),
        ((d6 >= 0) & (d5 <= d6), (0.0, 0.0, 1.0)),
        ((area_2 <= 0) & (d1 >= 0) & (d3 <= 0), _edge(0, 1, d1, d1 - d3)),
        ((area_1 <= 0) & (d2 >= 0) & (d6 <= 0), _edge(0, 2, d2, d2 - d6)),
        ((area_0 <= 0) & (d4 >= d3) & (d5 >= d6), _edge(1, 2, d4 - d3, d4 - d3 + d5 - d6)),
    ]
    inside = np.stack([area_0, area_1, area_2], axis=1)
    result = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1e-30)
    for region, value in reversed(regions):
        result = np.where(region[:, None], value, result)
    return result


def _edge(start: int, end: int, along: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Barycentric coordinates `along / length` of the way from one corner to another: (N,3)."""
    fraction = along / np.where(length == 0, 1.0, length)
    result = np.zeros((len(along), 3))
    result[:, start], result[:, end] = 1 - fraction, fraction
    return result

# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothness of the *change*, never of the shape: all terms vanish on the initial surface.

An absolute Laplacian at the paper's weight melts a head that starts from a good template.

**Units.** Positions are in the unit cube. The umbrella Laplacian of noise is as large as the noise,
that of a smooth field h^2 / 4 times its second derivative, with h the edge length. So this term
acts on roughness at the scale of an edge and hardly on form: at the paper's weight of 5000 on 256
cells, noise of a tenth of an edge costs about 1e-3, a smooth bump 0.01 high and 0.1 wide 1e-8. The
text doesn't say which Laplacian it means, and we take this one.
"""

import torch

from idto3d.head.sparse_matrix import SparseMatrix


def laplacian_weight(edge_length: float, paper_weight: float = 5000.0) -> float:
    """The weight for a mesh of this mean edge length (units) that equals the paper's at 1 / 256.

    Guidance sees normals, so what must cost the same is roughness of the same *slope*, noise that
    is a fixed share of an edge: its energy goes with h^2, the weight with h^-2. Example: 5000 at
    256 cells is 312 at 64 and 176 at 48.
    """
    return paper_weight * (edge_length * 256) ** -2


def umbrella_laplacian(values: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Mean of the neighbours minus the vertex: values (…,V,C), faces (F,3) -> (…,V,C).

    A neighbour counts once for each face that runs the edge from the vertex to it: once on a
    closed mesh; on an open border in one of its two directions. Vertices without a face give zero.
    """
    # Vertices in front, everything else as columns: sums over rows are ten times faster than sums
    # along an inner dimension.
    rows = values.movedim(-2, 0)
    columns = rows.reshape(len(rows), -1)
    start, stop = faces.T.reshape(-1), faces.roll(-1, dims=1).T.reshape(-1)
    total = torch.zeros_like(columns).index_add(0, start, columns.index_select(0, stop))
    degree = torch.bincount(start, minlength=len(rows))[:, None]
    laplacian = torch.where(degree > 0, total / degree.clamp(min=1) - columns, 0)
    return laplacian.view(rows.shape).movedim(0, -2)


def umbrella_operator(faces: torch.Tensor, count: int) -> SparseMatrix:
    """`umbrella_laplacian` for faces (F,3) that stay, over `count` vertices.

    On a head's mesh it is ten times faster than summing over faces.
    """
    start, stop = faces.T.reshape(-1), faces.roll(-1, dims=1).T.reshape(-1)
    vertex = torch.arange(count, device=faces.device)
    has_face = torch.zeros(count, device=faces.device).index_fill(0, start, 1)
    degree = torch.bincount(start, minlength=count)
    values = torch.cat([1.0 / degree.index_select(0, start), -has_face])
    rows, columns = torch.cat([start, vertex]), torch.cat([stop, vertex])
    return SparseMatrix(rows, columns, values, (count, count))


def laplacian_of_displacement(displacement: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Mean over vertices of the squared Laplacian of a displacement, in squared units: scalar.

    displacement (V,3) from the initial surface, (K,V,3) for K expressions, or (V,1) for a signed
    distance residual at the surface; faces (F,3). Weight: see `laplacian_weight`.
    """
    return umbrella_laplacian(displacement, faces).square().sum(dim=-1).mean()


def mean_square(residual: torch.Tensor, limit: float) -> torch.Tensor:
    """Mean square of a residual (…) as a share of `limit` (both in units): scalar, no unit.

    Holds the level set near its start, which normal maps alone do not. 1 means 'at the limit'.
    """
    return (residual / limit).square().mean()


def adjacent_faces(faces: torch.Tensor) -> torch.Tensor:
    """Pairs of faces that share an edge: (E,2) int64. Sorts, so keep it while the faces stay.

    Edges with one face or more than two are left out.
    """
    edges = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).reshape(-1, 2)
    low, high = edges.amin(dim=1), edges.amax(dim=1)
    key, order = (low * (int(faces.max()) + 1) + high).sort(stable=True)
    _, count = torch.unique_consecutive(key, return_counts=True)
    first = (count.cumsum(dim=0) - count)[count == 2]
    return torch.stack([order[first], order[first + 1]], dim=-1) // 3


def face_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Unit normals (…,F,3) of faces (F,3) over vertices (…,V,3); zero for a face without area."""
    a, b, c = (vertices.index_select(-2, corner) for corner in faces.unbind(dim=-1))
    return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1, eps=1e-12)


def normal_consistency_change(
    vertices: torch.Tensor, initial: torch.Tensor, faces: torch.Tensor, pairs: torch.Tensor
) -> torch.Tensor:
    """Mean squared change of the cosine between neighbouring faces' normals: scalar, no unit.

    vertices (…,V,3) and initial (V,3) or (…,V,3) on the same faces (F,3); pairs =
    adjacent_faces(faces). Blind to motion as a whole; keeps creases, forbids new ones.
    """

    def cosine(of: torch.Tensor) -> torch.Tensor:
        normals = face_normals(of, faces)
        first, second = (normals.index_select(-2, side) for side in pairs.unbind(dim=-1))
        return (first * second).sum(dim=-1)

    return (cosine(vertices) - cosine(initial)).square().mean()


def edge_stretch(
    vertices: torch.Tensor, initial: torch.Tensor, faces: torch.Tensor
) -> torch.Tensor:
    """Mean squared relative change of edge lengths: scalar, no unit.

    vertices (…,V,3), initial (V,3) or (…,V,3), faces (F,3). Skin slides and bends but hardly
    stretches; an expression that tears the mesh pays here.
    """

    def lengths(of: torch.Tensor) -> torch.Tensor:
        corners = [of.index_select(-2, corner) for corner in faces.unbind(dim=-1)]
        sides = torch.stack([corners[i] - corners[i - 1] for i in range(3)], dim=-2)
        # The small constant keeps the gradient of a zero length finite.
        return (sides.square().sum(dim=-1) + 1e-12).sqrt()

    return (lengths(vertices) / lengths(initial) - 1).square().mean()

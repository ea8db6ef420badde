# SPDX-License-Identifier: GPL-3.0-or-later
"""The body-centred cubic lattice of tetrahedra that fills the cube [-0.5, 0.5]^3.

A cubic grid of R^3 cells gets a second vertex at each cell's centre. Every square between two
neighbouring cells then carries four tetrahedra, each made of both centres and one side of the
square. All tetrahedra are congruent: edges of 1 and sqrt(3)/2 cells, altitudes of 0.707 cells,
dihedral angles of 60 and 90 degrees, so no marching artefact prefers a direction as strongly as
with cubes cut into five or six.

Cells are addressed by integer triples (i, j, k), x first, and packed into one int64 key. Corner
(i, j, k) is the cell's corner with the lowest coordinates. Only squares *between* two cells carry
tetrahedra: the half pyramids along the cube's faces are left out, which nothing inside needs.
"""

from dataclasses import dataclass

import torch

# The side of a square across each axis, as corner offsets in the order that, together with the
# lower and the upper centre, gives tetrahedra of positive volume.
_SQUARES = torch.tensor(
    [
        [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]],
        [[0, 1, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]],
        [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]],
    ]
)
CORNERS = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_BITS = torch.tensor([4, 2, 1])  # corner number of CORNERS = offset @ _BITS


@dataclass(frozen=True)
class Edges:
    """The edges of a set of tetrahedra, each under one number.

    ends (E,2) int64 vertex indices (rows that no tetrahedron uses may be there, their content
    means nothing); of_tetrahedron (T,6) int64 edge numbers in the order 01, 02, 03, 12, 13, 23 of
    the tetrahedron's corners.
    """

    ends: torch.Tensor
    of_tetrahedron: torch.Tensor


@dataclass(frozen=True)
class Lattice:
    """Vertices, tetrahedra and edges of a lattice, or of a part of one.

    vertices (N,3) float32 in [-0.5, 0.5]; tetrahedra (T,4) int64, each of positive volume:
    det(b - a, c - a, d - a) > 0. The first C vertices are the cells' centres, in the order of
    the cells' keys; corners (C,8) int64 are the vertex indices of each cell's corners, in the
    order of CORNERS.
    """

    vertices: torch.Tensor
    tetrahedra: torch.Tensor
    edges: Edges
    corners: torch.Tensor
    resolution: int  # cells along each side of the cube

    @property
    def cell(self) -> float:
        """Side of a cell in units."""
        return 1.0 / self.resolution


def bcc_lattice(resolution: int, device: torch.device | str = "cpu") -> Lattice:
    """The whole lattice: (R+1)^3 + R^3 vertices, 12 R^2 (R-1) tetrahedra. Memory grows with R^3;
    beyond about 96 cells take `narrow_band.build_band`.
    """
    return lattice_of_cells(all_cells(resolution, device), resolution)


def all_cells(resolution: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Integer coordinates (R^3, 3) of every cell in ascending order of their keys."""
    axis = torch.arange(resolution, device=device)
    return torch.cartesian_prod(axis, axis, axis)


def cell_keys(cells: torch.Tensor, resolution: int) -> torch.Tensor:
    """One int64 for each integer triple (…,3) with entries in [0, R]; -1 where one lies outside."""
    side = resolution + 1
    key = (cells[..., 0] * side + cells[..., 1]) * side + cells[..., 2]
    return torch.where(((cells >= 0) & (cells <= resolution)).all(dim=-1), key, -1)


def keys_to_cells(keys: torch.Tensor, resolution: int) -> torch.Tensor:
    """The inverse of `cell_keys` for keys (…) of triples inside the range: (…,3) int64."""
    side = resolution + 1
    return torch.stack([keys // side**2, keys // side % side, keys % side], dim=-1)


def find_keys(sorted_keys: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Position of each wanted key in the ascending unique `sorted_keys`, -1 where it is absent."""
    position = torch.searchsorted(sorted_keys, wanted).clamp(max=len(sorted_keys) - 1)
    return torch.where(sorted_keys[position] == wanted, position, -1)


def cell_centres(cells: torch.Tensor, resolution: int) -> torch.Tensor:
    """Centres (…,3) float32 in [-0.5, 0.5] of integer cells (…,3)."""
    return (cells.float() + 0.5) / resolution - 0.5


def lattice_of_cells(cells: torch.Tensor, resolution: int) -> Lattice:
    """The tetrahedra between neighbouring ones of the given cells.

    cells: (C,3) int64, unique, in ascending order of their keys. No edge is searched for: those
    from a centre to its neighbour's centre, from a centre to a corner and along the grid get
    their numbers from the cell and the corner they start at, which costs no sort.
    """
    count, device = len(cells), cells.device
    keys = cell_keys(cells, resolution)
    corner_keys, corners = torch.unique(
        cell_keys(cells[:, None] + CORNERS.to(device), resolution), return_inverse=True
    )
    corner_positions = keys_to_cells(corner_keys, resolution).float() / resolution - 0.5
    corners = corners + count
    neighbour = torch.stack(
        [
            find_keys(keys, cell_keys(cells + step, resolution))
            for step in torch.eye(3).long().to(device)
        ],
        dim=-1,
    )
    tetrahedra, edge_rows = _tetrahedra_between(neighbour, corners)
    return Lattice(
        vertices=torch.cat([cell_centres(cells, resolution), corner_positions]),
        tetrahedra=tetrahedra,
        edges=Edges(_edge_ends(neighbour, corners), edge_rows),
        corners=corners,
        resolution=resolution,
    )


def _tetrahedra_between(
    neighbour: torch.Tensor, corners: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tetrahedra (T,4) and their edge numbers (T,6).

    neighbour (C,3): the cell one step up each axis or -1. Edge numbers: 3 c + axis from centre c
    up the axis, 3 C + 8 c + i to corner i, 11 C + 3 (v - C) + axis from grid vertex v up the axis.
    """
    count = len(neighbour)
    tetrahedra, edge_rows = [], []
    for axis in range(3):
        square = _SQUARES[axis]
        lower = torch.nonzero(neighbour[:, axis] >= 0)[:, 0]
        upper = neighbour[lower, axis]
        for start in range(4):
            low_a, low_b = square[start], square[(start + 1) % 4]
            side = int((low_a != low_b).nonzero())
            # The same two corners, numbered as the lower and as the upper cell sees them.
            a, b = (int(corner @ _BITS) for corner in (low_a, low_b))
            across = int(_BITS[axis])
            vertex_a, vertex_b = corners[lower, a], corners[lower, b]
            along = 11 * count + 3 * (torch.minimum(vertex_a, vertex_b) - count) + side
            to_corner = 3 * count
            tetrahedra.append(torch.stack([lower, upper, vertex_a, vertex_b], dim=-1))
            edge_rows.append(
                torch.stack(
                    [
                        3 * lower + axis,
                        to_corner + 8 * lower + a,
                        to_corner + 8 * lower + b,
                        to_corner + 8 * upper + a - across,
                        to_corner + 8 * upper + b - across,
                        along,
                    ],
                    dim=-1,
                )
            )
    joined, rows = torch.cat(tetrahedra), torch.cat(edge_rows)
    # Tetrahedra of one cell next to one another, and the four columns each in one piece: a step's
    # gathers then run through the cache.
    order = joined[:, 0].argsort(stable=True)
    return joined[order].T.contiguous().T, rows[order]


def _edge_ends(neighbour: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Vertex indices (E,2) of every edge number that `_tetrahedra_between` can give out."""
    count, device = len(neighbour), neighbour.device
    centre = torch.arange(count, device=device)
    up = torch.stack([centre[:, None].expand(-1, 3), neighbour.clamp(min=0)], dim=-1)
    to_corner = torch.stack([centre[:, None].expand(-1, 8), corners], dim=-1)
    grid_vertices = int(corners.max()) + 1 - count
    along = torch.zeros(grid_vertices, 3, 2, dtype=torch.long, device=device)
    for axis in range(3):
        across = int(_BITS[axis])
        for low in range(8):
            if not low & across:
                start, stop = corners[:, low], corners[:, low | across]
                along[start - count, axis] = torch.stack([start, stop], dim=-1)
    return torch.cat([up.reshape(-1, 2), to_corner.reshape(-1, 2), along.reshape(-1, 2)])

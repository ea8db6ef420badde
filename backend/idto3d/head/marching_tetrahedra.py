# SPDX-License-Identifier: GPL-3.0-or-later
"""Marching tetrahedra (Doi and Koide 1991; differentiable as in DMTet, Shen et al. 2021).

A surface vertex sits on each tetrahedron edge whose ends differ in sign, at the zero of the linear
interpolation. Because a vertex *is* an edge of the lattice, neighbouring tetrahedra share it
exactly and the surface is closed by construction wherever it stays inside the lattice. Finding
the lattice's unique edges means sorting; that is done once for a set of tetrahedra, and an
extraction only gathers. Lattices of `lattice.py` come with their edges numbered already.
"""

from dataclasses import dataclass
from itertools import permutations

import torch

from idto3d.head.lattice import Edges

# The six edges of a tetrahedron as pairs of its corners.
_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


def _is_even(order: tuple[int, ...]) -> bool:
    swaps = sum(order[i] > order[j] for i in range(4) for j in range(i + 1, 4))
    return swaps % 2 == 0


def _triangle_table() -> torch.Tensor:
    """Triangles of each of the 16 sign patterns: (16, 2, 3) edge numbers, -1 where there is none.

    Bit i of the pattern is set when corner i is inside. For an even order (a, b, c, d) of the
    corners of a tetrahedron of positive volume, with a alone inside, the triangle ab, ac, ad faces
    away from a; with a and b inside, the quad ac, ad, bd, bc faces away from both.
    """
    number = {frozenset(edge): i for i, edge in enumerate(_EDGES)}
    table = torch.full((16, 2, 3), -1)
    for a, b, c, d in filter(_is_even, permutations(range(4))):
        ab, ac, ad, bc, bd = (
            number[frozenset(e)] for e in ((a, b), (a, c), (a, d), (b, c), (b, d))
        )
        table[1 << a, 0] = torch.tensor([ab, ac, ad])
        table[15 - (1 << a), 0] = torch.tensor([ab, ad, ac])
        table[(1 << a) | (1 << b)] = torch.tensor([[ac, ad, bd], [ac, bd, bc]])
    return table


_TRIANGLES = _triangle_table()


def unique_edges(tetrahedra: torch.Tensor) -> Edges:
    """The edge table of tetrahedra (T,4): sorts 6 T keys, so keep it while they stay."""
    pairs = tetrahedra[:, torch.tensor(_EDGES, device=tetrahedra.device)]
    low, high = pairs.amin(dim=-1), pairs.amax(dim=-1)
    base = int(tetrahedra.max()) + 1
    keys, inverse = torch.unique(low * base + high, return_inverse=True)
    return Edges(torch.stack([keys // base, keys % base], dim=-1), inverse)


@dataclass(frozen=True)
class Surface:
    """A triangle surface laid through a lattice.

    vertices (V,3) float32, differentiable; faces (F,3) int64, counter-clockwise seen from outside;
    ends (V,2) int64, the lattice vertices that each surface vertex lies between; weight (V,)
    float32, its share of the second end, differentiable with respect to the signed distance.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    ends: torch.Tensor
    weight: torch.Tensor

    def interpolate(self, attribute: torch.Tensor) -> torch.Tensor:
        """A lattice attribute (N,C) or (N,) at the surface vertices: (V,C) or (V,)."""
        both = attribute.index_select(0, self.ends.T.reshape(-1))
        first, second = both.unflatten(0, (2, -1))
        weight = self.weight.view(-1, *[1] * (attribute.dim() - 1))
        return first + weight * (second - first)


def extract_surface(
    vertices: torch.Tensor, sdf: torch.Tensor, tetrahedra: torch.Tensor, edges: Edges
) -> Surface:
    """The zero level set of `sdf` (N,), negative inside, over lattice vertices (N,3).

    tetrahedra (T,4) of positive volume, edges = unique_edges(tetrahedra). Differentiable with
    respect to `vertices` and `sdf`. A value of exactly zero counts as outside. The surface is
    closed when it doesn't leave the lattice, and empty (V = F = 0) when no sign changes.
    """
    inside = (sdf.detach() < 0).to(torch.uint8)
    # index_select throughout: on the CPU it is several times faster than indexing by brackets.
    a, b, c, d = inside.index_select(0, tetrahedra.T.reshape(-1)).view(4, -1)
    pattern = a + 2 * b + 4 * c + 8 * d
    crossed = torch.nonzero((pattern != 0) & (pattern != 15))[:, 0]
    pattern = pattern.index_select(0, crossed).long()
    triangles = _TRIANGLES.to(sdf.device)
    rows = edges.of_tetrahedron.index_select(0, crossed)
    first = torch.gather(rows, 1, triangles[:, 0].index_select(0, pattern))
    quads = torch.nonzero((triangles[:, 1, 0] >= 0).index_select(0, pattern))[:, 0]
    second = torch.gather(
        rows.index_select(0, quads),
        1,
        triangles[:, 1].index_select(0, pattern.index_select(0, quads)),
    )
    corner_edges = torch.cat([first, second])

    # Number the crossed edges in ascending order; only edges of crossed tetrahedra are touched.
    is_used = torch.zeros(len(edges.ends), dtype=torch.bool, device=sdf.device)
    is_used[corner_edges.view(-1)] = True
    used = torch.nonzero(is_used)[:, 0]
    number = torch.empty(len(edges.ends), dtype=torch.long, device=sdf.device)
    number[used] = torch.arange(len(used), device=sdf.device)
    faces = number.index_select(0, corner_edges.view(-1)).view(-1, 3)

    ends = edges.ends.index_select(0, used)
    start, stop = sdf.index_select(0, ends.T.reshape(-1)).view(2, -1)
    weight = start / (start - stop)
    surface = Surface(vertices, faces, ends, weight)
    return Surface(surface.interpolate(vertices), surface.faces, ends, weight)


def marching_tetrahedra(
    vertices: torch.Tensor, sdf: torch.Tensor, tetrahedra: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One extraction from tetrahedra of any orientation: surface vertices (V,3), faces (F,3).

    vertices (N,3) float32, sdf (N,) float32, negative inside, tetrahedra (T,4) int64. See
    `extract_surface`, which does the same without sorting for a lattice that stays.
    """
    corners = vertices.detach()[tetrahedra]
    sides = corners[:, 1:] - corners[:, :1]
    turned = tetrahedra[:, [0, 1, 3, 2]]
    tetrahedra = torch.where((torch.linalg.det(sides) < 0)[:, None], turned, tetrahedra)
    surface = extract_surface(vertices, sdf, tetrahedra, unique_edges(tetrahedra))
    return surface.vertices, surface.faces

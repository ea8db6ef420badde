# SPDX-License-Identifier: GPL-3.0-or-later
"""The lattice fills its region, and its edges without sorting are the sorted ones."""

import pytest
import torch

from idto3d.head.lattice import bcc_lattice, cell_keys, keys_to_cells, lattice_of_cells
from idto3d.head.marching_tetrahedra import unique_edges


def corner_volumes(vertices: torch.Tensor, tetrahedra: torch.Tensor) -> torch.Tensor:
    corners = vertices[tetrahedra]
    return torch.linalg.det((corners[:, 1:] - corners[:, :1]).double()) / 6


@pytest.mark.parametrize("resolution", [3, 8])
def test_tetrahedra_are_congruent_positive_and_fill_the_inner_region(resolution):
    lattice = bcc_lattice(resolution)
    assert len(lattice.vertices) == (resolution + 1) ** 3 + resolution**3
    assert len(lattice.tetrahedra) == 12 * resolution**2 * (resolution - 1)
    volumes = corner_volumes(lattice.vertices, lattice.tetrahedra)
    assert torch.allclose(volumes, torch.full_like(volumes, lattice.cell**3 / 12), rtol=1e-4)
    # What is missing from the cube is a pyramid of half a cell's height on each outer square.
    pyramids = 6 * resolution**2 * lattice.cell**2 * (lattice.cell / 2) / 3
    assert float(volumes.sum()) == pytest.approx(1 - pyramids, rel=1e-5)


def test_vertices_lie_in_the_unit_cube():
    vertices = bcc_lattice(5).vertices
    assert vertices.amin() == -0.5 and vertices.amax() == 0.5


def test_edge_numbers_name_the_tetrahedra_s_own_edges():
    cells = torch.cartesian_prod(*[torch.arange(4)] * 3)
    generator = torch.Generator().manual_seed(0)
    kept = cells[torch.rand(len(cells), generator=generator) < 0.7]
    lattice = lattice_of_cells(kept, 4)
    sorted_edges = unique_edges(lattice.tetrahedra)
    ours = lattice.edges.ends[lattice.edges.of_tetrahedron].sort(dim=-1).values
    twin = sorted_edges.ends[sorted_edges.of_tetrahedron].sort(dim=-1).values
    assert torch.equal(ours, twin)
    # One number for one edge: as many numbers in use as there are edges.
    assert len(lattice.edges.of_tetrahedron.unique()) == len(sorted_edges.ends)


def test_keys_invert():
    cells = torch.tensor([[0, 0, 0], [1, 2, 3], [7, 7, 7]])
    assert torch.equal(keys_to_cells(cell_keys(cells, 7), 7), cells)
    assert cell_keys(torch.tensor([[-1, 0, 0], [0, 8, 0]]), 7).tolist() == [-1, -1]

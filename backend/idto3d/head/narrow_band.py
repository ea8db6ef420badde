# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the lattice that is alive: cells within a few cells of the surface.

Only the band's vertices carry field values and only its tetrahedra are marched, so memory and
time grow with the surface (R^2), not the volume (R^3). The band is found from coarse blocks to
cells; the full lattice is never made. It stays while the surface moves inside it; a surface about
to leave is seen by `surface_escapes`, and the caller builds the next band.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from idto3d.head.lattice import (
    CORNERS,
    Lattice,
    cell_keys,
    find_keys,
    keys_to_cells,
    lattice_of_cells,
)

SignedDistance = Callable[[torch.Tensor], torch.Tensor]  # points (N,3) -> (N,), negative inside

# Blocks are kept when the surface may pass through them. A field learned on top of a true distance
# can be steeper than one; by this much it may be without a block being missed.
_STEEPNESS = 1.5
_COARSEST_BLOCKS = 16  # blocks along the cube's side at the coarsest level, at least
_CHUNK = 1 << 18  # points evaluated at once: bounds the memory of the field's activations


@dataclass(frozen=True)
class NarrowBand:
    """A sub-lattice with its own compact vertex numbers.

    cells (C,3) int64, ascending: what the band is made of. lattice: the tetrahedra between them.
    border (B,5) int64: for each cell and each neighbour that it lacks, its centre and the four
    corners on that side. Every triangle that bounds the band's tetrahedra lies in one of these
    pyramids.
    """

    cells: torch.Tensor
    lattice: Lattice
    border: torch.Tensor


def build_band(
    signed_distance: SignedDistance,
    resolution: int,
    width: float = 2.0,
    device: torch.device | str = "cpu",
) -> NarrowBand:
    """The band of cells whose centre lies within `width` cells of the zero level set.

    signed_distance is asked at points in [-0.5, 0.5]^3, in chunks, without gradients; near its
    zero level it should be about a distance in units. A width below 1 would miss tetrahedra that
    the surface crosses; what is above 1 is room, in cells, for the surface to move before the next
    build.
    Wherever the field is so uneven that its surface would still be cut by the band's border, the
    band grows until it isn't. Raises ValueError when there is no surface in the cube and when the
    surface reaches the cube's outermost cells.
    """
    if width < 1:
        raise ValueError(f"a band of width {width} cells would cut the surface: take at least 1")
    cells = _cells_near_surface(signed_distance, resolution, width, torch.device(device))
    while True:
        if len(cells) == 0:
            raise ValueError("the signed distance has no surface inside the unit cube")
        band, missing = _assemble(cells, resolution)
        sdf = _evaluate(signed_distance, band.lattice.vertices)
        grown = missing[_mixed_signs(band.border, sdf)]
        if len(grown) == 0:
            return band
        if bool((grown < 0).any()):
            raise ValueError("the surface reaches the border of the unit cube")
        keys = torch.unique(torch.cat([cell_keys(cells, resolution), grown]))
        cells = keys_to_cells(keys, resolution)


def band_of_cells(cells: torch.Tensor, resolution: int) -> NarrowBand:
    """The band that had these `cells` (C,3), ascending: a resumed run goes on in the same one."""
    return _assemble(cells, resolution)[0]


def surface_escapes(band: NarrowBand, sdf: torch.Tensor) -> bool:
    """Whether the zero level of `sdf` (N,) at the band's vertices reaches the band's border.

    False guarantees that the extracted surface is closed. True says that a new band is due, and
    comes before a hole opens or just when one does.
    """
    return bool(_mixed_signs(band.border, sdf.detach()).any())


def _cells_near_surface(
    signed_distance: SignedDistance, resolution: int, width: float, device: torch.device
) -> torch.Tensor:
    """Integer cells (C,3), ascending, with |signed distance| at the centre <= width cells."""
    level = 0
    while resolution >> (level + 1) >= _COARSEST_BLOCKS:
        level += 1
    axis = torch.arange(-(-resolution >> level), device=device)
    blocks = torch.cartesian_prod(axis, axis, axis)
    octants = torch.cartesian_prod(*[torch.arange(2, device=device)] * 3)
    while True:
        side = 1 << level
        centres = (blocks.float() + 0.5) * side / resolution - 0.5
        distance = _evaluate(signed_distance, centres).abs() * resolution
        if level == 0:
            blocks = blocks[(distance <= width) & (blocks < resolution).all(dim=-1)]
            return keys_to_cells(cell_keys(blocks, resolution).sort().values, resolution)
        half_diagonal = 3**0.5 / 2 * side
        near = blocks[distance <= _STEEPNESS * (half_diagonal + width)]
        blocks = (2 * near[:, None] + octants).reshape(-1, 3)
        level -= 1


def _assemble(cells: torch.Tensor, resolution: int) -> tuple[NarrowBand, torch.Tensor]:
    """The band of these cells, and the key (B,) of the neighbour that each row of its border
    lacks, -1 where that lies outside the cube.
    """
    lattice = lattice_of_cells(cells, resolution)
    keys = cell_keys(cells, resolution)
    border, missing = [], []
    for axis in range(3):
        for up in (0, 1):
            neighbour = cells.clone()
            neighbour[:, axis] += 2 * up - 1
            wanted = cell_keys(neighbour, resolution)
            # Keys also name the corners at the far faces, where there is no cell.
            wanted[neighbour[:, axis] == resolution] = -1
            lacking = torch.nonzero(find_keys(keys, wanted) < 0)[:, 0]
            side = torch.nonzero(CORNERS[:, axis] == up)[:, 0].to(cells.device)
            corners = lattice.corners[lacking][:, side]
            border.append(torch.cat([lacking[:, None], corners], dim=-1))
            missing.append(wanted[lacking])
    return NarrowBand(cells, lattice, torch.cat(border)), torch.cat(missing)


def _mixed_signs(border: torch.Tensor, sdf: torch.Tensor) -> torch.Tensor:
    """Which pyramids (B,) of the border have vertices on both sides of the zero level."""
    inside = (sdf < 0)[border]
    return inside.any(dim=-1) & ~inside.all(dim=-1)


@torch.no_grad()
def _evaluate(signed_distance: SignedDistance, points: torch.Tensor) -> torch.Tensor:
    return torch.cat([signed_distance(chunk) for chunk in points.split(_CHUNK)])

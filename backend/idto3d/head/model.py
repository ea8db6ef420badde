# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's head while it is optimised: a canonical surface and functions on it.

Decision 1: the signed distance field is the identity's alone, in the canonical pose (mouth
slightly open); each expression, the neutral face included, is a displacement of that surface.
The surface is shown either as extracted from the lattice (free topology) or as the template
wrapped onto the field (the template's topology and its detail below a cell).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from idto3d.head.canonical_field import CanonicalField, CanonicalFieldSettings
from idto3d.head.deformation_field import DeformationField, DeformationFieldSettings
from idto3d.head.hash_grid import LocatedPoints
from idto3d.head.marching_tetrahedra import extract_surface
from idto3d.head.narrow_band import NarrowBand, band_of_cells, build_band, surface_escapes
from idto3d.head.regularizers import umbrella_laplacian, umbrella_operator
from idto3d.head.signed_distance import TriangleMesh
from idto3d.head.sparse_matrix import SparseMatrix
from idto3d.head.subdivide import coarse_faces, loop_operator
from idto3d.render.normals import vertex_normals
from idto3d.render.silhouette import half_edge_partners
from idto3d.settings import GeometrySettings

# Cells that the surface may move before the band is built again.
BAND_WIDTH = 1.6


@dataclass(frozen=True)
class HeadSurface:
    """The canonical surface of one step; displacement holds the chosen expressions."""

    vertices: Tensor  # (V,3) canonical, units, differentiable
    faces: Tensor  # (F,3) int64
    partners: Tensor  # (3F,) int32, `half_edge_partners` of the faces
    displacement: Tensor  # (k,V,3) from canonical to each chosen expression, differentiable
    shape: Tensor  # (V,3), or (V,1) of a level set: what was learned of the surface
    motion: Tensor  # (k,C,3) what was learned of each chosen expression, at the coarse vertices

    def posed(self) -> Tensor:
        """(k,V,3) the surface in each chosen expression."""
        return self.vertices + self.displacement


@dataclass
class _Band:
    band: NarrowBand
    located: LocatedPoints
    template_distance: Tensor  # (N,) signed distance of the shaped template
    nearest: SparseMatrix  # (N,V): a value of the template's vertices at the nearest point of it


class HeadModel(torch.nn.Module):
    """Fields of one head over a shaped template.

    canonical (V,3): the template in the canonical pose, shaped to the person; faces (F,3), one step
    of Loop's subdivision of a coarser mesh; expressions (K,V,3): its displacements from canonical
    to each expression.

    What is learned of an expression is asked for at the C coarse vertices and subdivided: skin
    moves over centimetres, and their edges are 6 mm long.
    """

    def __init__(
        self,
        canonical: Tensor,
        faces: Tensor,
        expressions: Tensor,
        settings: GeometrySettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        device = canonical.device
        self.settings = settings
        self.template, self.faces, self.expressions = canonical, faces, expressions
        self.normals = vertex_normals(canonical, faces)
        self._mesh = TriangleMesh(canonical, faces)
        self._partners = half_edge_partners(faces)
        self._coarse_faces = coarse_faces(faces)
        self._coarse = int(self._coarse_faces.max()) + 1
        self._subdivide = loop_operator(self._coarse_faces, self._coarse)
        self._umbrella = umbrella_operator(faces, len(canonical))
        self._coarse_umbrella = umbrella_operator(self._coarse_faces, self._coarse)
        self._edge = _mean_edge(canonical, faces)
        self._coarse_edge = _mean_edge(canonical, self._coarse_faces)
        self.canonical_field = CanonicalField(
            CanonicalFieldSettings(max_displacement=settings.max_displacement),
            settings.lattice_resolution,
            generator,
            device,
        )
        self.deformation_field = DeformationField(
            len(expressions), DeformationFieldSettings(), generator, device
        )
        self._template_shape = self.canonical_field.locate(canonical)
        self._coarse_located = self.deformation_field.locate(canonical[: self._coarse])
        self._band: _Band | None = None
        self._cells = torch.zeros(0, 3, dtype=torch.int64)  # of a checkpoint's band

    def get_extra_state(self) -> Tensor:
        """The band's cells (C,3), none before the first extraction, for the checkpoint.

        Another band shows the same surface, but sums its gradient in another order, and Adam makes
        a difference of the least gradients' signs: a resumed run would end elsewhere.
        """
        return self._cells if self._band is None else self._band.band.cells

    def set_extra_state(self, state: Tensor) -> None:
        """Go on in the band of these cells."""
        self._band, self._cells = None, state

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Groups for torch's Adam: hash grids at the rate, dense layers at a fifth of it, because a
        step touches all of the latter."""
        grids = [
            *self.canonical_field.grid.parameters(),
            *self.deformation_field.grid.parameters(),
        ]
        known = {id(parameter) for parameter in grids}
        dense = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return [
            {"params": grids, "lr": learning_rate},
            {"params": dense, "lr": 0.2 * learning_rate},
        ]

    def signed_distance(self, points: Tensor) -> Tensor:
        """Template distance plus the learned residual at points (N,3): (N,), negative inside."""
        return self._mesh.signed_distance(points) + self.canonical_field(points)[0]

    def extracted(self, chosen: Tensor) -> HeadSurface:
        """The zero level by marching tetrahedra, with expressions `chosen` (k,) int64."""
        if self._band is None:
            self._band = self._first_band()
        state = self._band
        residual, offset = self.canonical_field(state.located)
        distance = state.template_distance + residual
        if surface_escapes(state.band, distance):
            state = self._band = self._prepare(self._build_band())
            residual, offset = self.canonical_field(state.located)
            distance = state.template_distance + residual
        lattice = state.band.lattice
        surface = extract_surface(
            lattice.vertices + offset, distance, lattice.tetrahedra, lattice.edges
        )
        motion = self.deformation_field(self._coarse_located, chosen)
        nearest = state.nearest(self.expressions[chosen] + self._subdivide(motion))
        moved = surface.interpolate(nearest.movedim(0, 1).flatten(1))
        return HeadSurface(
            surface.vertices,
            surface.faces,
            half_edge_partners(surface.faces),
            moved.view(len(moved), -1, 3).movedim(1, 0),
            # The level set's motion stands for the vertices' own, which have no fixed start.
            surface.interpolate(residual)[:, None],
            motion,
        )

    def wrapped(self, chosen: Tensor) -> HeadSurface:
        """The template laid onto the zero level (see `head.wrap`), with expressions `chosen`."""
        residual, offset = self.canonical_field(self._template_shape)
        shape = offset - residual[:, None] * self.normals
        motion = self.deformation_field(self._coarse_located, chosen)
        return HeadSurface(
            self.template + shape,
            self.faces,
            self._partners,
            self.expressions[chosen] + self._subdivide(motion),
            shape,
            motion,
        )

    def regularization(self, surface: HeadSurface) -> tuple[Tensor, Tensor]:
        """(roughness, size) of the learned change, both in displacement limits, no unit.

        Roughness is the mean squared umbrella Laplacian of the change, scaled so that it doesn't
        depend on the mesh's resolution; size the mean square. Both are means over the shape and
        each chosen expression, and vanish at the start.
        """
        shape, motion = (change / self.settings.max_displacement
                         for change in (surface.shape, surface.motion))  # fmt: skip
        if surface.faces is self.faces:
            bend = _roughness(self._umbrella(shape), self._edge)
        else:
            edge = _mean_edge(surface.vertices.detach(), surface.faces)
            bend = _roughness(umbrella_laplacian(shape, surface.faces), edge)
        bend = bend + len(motion) * _roughness(self._coarse_umbrella(motion), self._coarse_edge)
        size = shape.square().sum(-1).mean() + motion.square().sum(-1).mean() * len(motion)
        return bend / (1 + len(motion)), size / (1 + len(motion))

    def _first_band(self) -> _Band:
        if len(self._cells) == 0:
            return self._prepare(self._build_band())
        cells = self._cells.to(self.template.device)
        return self._prepare(band_of_cells(cells, self.settings.lattice_resolution))

    def _build_band(self) -> NarrowBand:
        resolution = self.settings.lattice_resolution
        return build_band(self.signed_distance, resolution, BAND_WIDTH, self.template.device)

    def _prepare(self, band: NarrowBand) -> _Band:
        """What the template says at the band's lattice points, which stay until the next band."""
        points = band.lattice.vertices
        face, barycentric = self._mesh.closest_point(points)
        rows = torch.arange(len(points), device=points.device)[:, None].expand(-1, 3)
        return _Band(
            band,
            self.canonical_field.locate(points),
            self._mesh.signed_distance(points),
            SparseMatrix(
                rows.reshape(-1),
                self.faces[face].reshape(-1),
                barycentric.reshape(-1).float(),
                (len(points), len(self.template)),
            ),
        )


def _roughness(laplacian: Tensor, edge: float) -> Tensor:
    """Mean square of umbrella Laplacians (…,V,C) on a mesh of this mean edge in units: scalar."""
    # One displacement limit over a centimetre of bend counts as one.
    scale = (1.0 / 36.0 / edge) ** 2
    return laplacian.square().sum(-1).mean() * (scale**2 / 36.0)


def _mean_edge(vertices: Tensor, faces: Tensor) -> float:
    return float((vertices[faces[:, 0]] - vertices[faces[:, 1]]).norm(dim=1).mean())

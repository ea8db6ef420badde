# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the work in progress, and the finished surface that later pictures are made from."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from idto3d.asset.files import write_whole
from idto3d.asset.mesh import PosedMesh
from idto3d.errors import UNREADABLE_NPZ, UserError
from idto3d.render.cameras import orbit, transform
from idto3d.render.eight_bits import eight_bits
from idto3d.render.normals import supersampled_normals
from idto3d.render.rasterize import interpolate, rasterize

PROGRESS_SIZE = 256  # pixels of each view


@dataclass(frozen=True)
class Finished:
    """The full-resolution head as it left the optimisation, in unit space."""

    expressions: tuple[str, ...]  # K names, the neutral one first
    canonical: np.ndarray  # (V,3) float32
    displacement: np.ndarray  # (K,V,3) float32
    faces: np.ndarray  # (F,3) int64
    materials: np.ndarray  # (K,V,5) float32: sRGB albedo, roughness, metallic

    @staticmethod
    def of(mesh: PosedMesh, expressions: Sequence[str], materials: Tensor) -> "Finished":
        return Finished(
            tuple(expressions), mesh.canonical, mesh.displacement, mesh.faces,
            materials.detach().cpu().numpy(),
        )  # fmt: skip

    @property
    def poses(self) -> np.ndarray:
        return self.canonical + self.displacement

    def save(self, path: Path) -> None:
        """Write an npz in half precision. Raises UserError when the disk refuses."""
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            expressions=np.array(self.expressions),
            canonical=self.canonical.astype(np.float32),
            displacement=self.displacement.astype(np.float16),
            faces=self.faces.astype(np.int32),
            materials=self.materials.astype(np.float16),
        )
        write_whole(path, stream.getvalue())

    @staticmethod
    def load(path: Path) -> "Finished":
        """Read `save`'s file. Raises UserError when it is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as data:
                return Finished(
                    tuple(str(name) for name in data["expressions"]),
                    data["canonical"],
                    data["displacement"].astype(np.float32),
                    data["faces"].astype(np.int64),
                    data["materials"].astype(np.float32),
                )
        except UNREADABLE_NPZ as error:
            raise UserError(
                f"There is no finished head in {path.parent} ({error}). "
                "Let 'idto3d resume' finish the job first."
            ) from error


@torch.no_grad()
def write_progress(path: Path, poses: Tensor, faces: Tensor, albedo: Tensor | None) -> None:
    """Three views of the neutral face and one of each of two expressions; colours if there are.

    poses (K,V,3) unit space, neutral first; albedo (V,3) sRGB or None.
    """
    shown = [0, 0, 0, *range(1, min(3, len(poses)))]
    yaw = torch.tensor([0.0, 45.0, 90.0, 0.0, 0.0][: len(shown)])
    cameras = orbit(yaw, 0.0)
    rows = [supersampled_normals(poses[shown], faces, cameras, PROGRESS_SIZE)]
    if albedo is not None:
        fragments = rasterize(transform(poses[shown], cameras), faces, PROGRESS_SIZE, PROGRESS_SIZE)
        colour = interpolate(albedo.cpu(), fragments, faces)
        rows.append(colour * fragments.mask + 1 - fragments.mask)
    grid = torch.cat([torch.cat(list(row), dim=1) for row in rows])
    pixels = eight_bits(grid)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    write_whole(path, stream.getvalue())

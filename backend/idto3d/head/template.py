# SPDX-License-Identifier: GPL-3.0-or-later
"""The template: a parametric head on one topology, from which every person's head starts.

The default one (`assets/template/head.npz`) is derived from MakeHuman's CC0 assets: a mean, a
linear identity basis and 52 ARKit expression displacements, with 68 named landmark vertices.
Design decision 5: its expression displacements initialise the deformation field, its signed
distance the canonical field.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from idto3d.errors import UNREADABLE_NPZ, UserError
from idto3d.head.subdivide import loop_subdivision

PARTS = ("skin", "tongue", "left eye", "right eye")
# Canonical pose: the mouth slightly open, so that the lips are two surfaces (decision 1).
CANONICAL_ARKIT = {"jawOpen": 0.12}
# 68 Multi-PIE landmark ranges.
JAW, BROW_RIGHT, BROW_LEFT = slice(0, 17), slice(17, 22), slice(22, 27)
NOSE_RIDGE, NOSE_BASE = slice(27, 31), slice(31, 36)
EYE_RIGHT, EYE_LEFT = slice(36, 42), slice(42, 48)
LIPS_OUTER, LIPS_INNER = slice(48, 60), slice(60, 68)
JAW_ENDS, CHIN = [0, 16], 8  # before the ears, and the lowest
OUTER_EYES = (36, 45)  # corners


@dataclass(frozen=True)
class Template:
    """All arrays in unit space (HEAD_METRES), Y up, +Z out of the face."""

    mean: torch.Tensor  # (V,3) float32, closed mouth, neutral
    faces: torch.Tensor  # (F,3) int64, outward
    part: torch.Tensor  # (V,) uint8 index into PARTS
    identity_basis: torch.Tensor  # (I,V,3) float32; coefficients are about N(0,1) over people
    expression_basis: torch.Tensor  # (E,V,3) float32 displacement at weight 1
    expression_names: tuple[str, ...]  # ARKit names, (E,)
    landmarks: torch.Tensor  # (68,) int64 vertex indices, Multi-PIE order
    occlusion: torch.Tensor  # (V,) float32 ambient visibility of the mean, 1 = open sky

    def neutral(self, identity: torch.Tensor) -> torch.Tensor:
        """Closed-mouth neutral head (V,3) of identity coefficients (I,)."""
        return self.mean + torch.einsum("i,ivc->vc", identity, self.identity_basis)

    def nearest(self, positions: torch.Tensor) -> torch.Tensor:
        """Identity coefficients (I,) of the neutral head that is nearest to positions (V,3)."""
        basis = self.identity_basis.flatten(1).double()
        offset = (positions - self.mean).flatten().double()
        return torch.linalg.solve(basis @ basis.T, basis @ offset).float()

    def expression(self, arkit: dict[str, float]) -> torch.Tensor:
        """Displacement (V,3) from the neutral head for ARKit weights in [0, 1]."""
        displacement = torch.zeros_like(self.mean)
        for name, weight in arkit.items():
            basis = self.expression_basis[self.expression_names.index(name)]
            displacement = displacement + weight * basis
        return displacement

    def canonical(self, identity: torch.Tensor) -> torch.Tensor:
        """The canonical surface (V,3): mouth slightly open, eyes open."""
        return self.neutral(identity) + self.expression(CANONICAL_ARKIT)

    def from_canonical(self, arkit: dict[str, float]) -> torch.Tensor:
        """Displacement (V,3) from the canonical surface to the expression, neutral included."""
        return self.expression(arkit) - self.expression(CANONICAL_ARKIT)

    def moved(self, offset: torch.Tensor) -> "Template":
        """The template with its mean, and so every head, moved by offset (V,3)."""
        return replace(self, mean=self.mean + offset)

    def subdivided(self) -> "Template":
        """The same head after one Loop step; landmarks and parts stay with their vertices."""
        matrix, faces = loop_subdivision(self.faces.numpy(), len(self.mean))

        def refine(values: torch.Tensor) -> torch.Tensor:
            flat = (
                values.movedim(-2, 0) if values.dim() == 3 else values.reshape(len(self.mean), -1)
            )
            fine = matrix @ flat.reshape(len(self.mean), -1).numpy()
            fine_tensor = torch.from_numpy(np.asarray(fine, dtype=np.float32))
            if values.dim() == 3:
                return fine_tensor.reshape(-1, values.shape[0], 3).movedim(0, 1).contiguous()
            return fine_tensor.reshape(-1, *values.shape[1:])

        fine_faces = torch.from_numpy(faces)
        part = torch.zeros(matrix.shape[0], dtype=torch.uint8)
        coarse_part = self.part[self.faces[:, 0]].repeat(4)
        part[fine_faces] = coarse_part[:, None].expand(-1, 3)
        return Template(
            refine(self.mean),
            fine_faces,
            part,
            refine(self.identity_basis),
            refine(self.expression_basis),
            self.expression_names,
            self.landmarks,
            refine(self.occlusion),
        )


def save_template(template: Template, path: Path) -> None:
    """Write an npz without objects; bases in half precision (error below 0.02 mm)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        mean=template.mean.numpy(),
        faces=template.faces.numpy().astype(np.uint16),
        part=template.part.numpy(),
        identity_basis=template.identity_basis.numpy().astype(np.float16),
        expression_basis=template.expression_basis.numpy().astype(np.float16),
        expression_names=np.array(template.expression_names),
        landmarks=template.landmarks.numpy().astype(np.int32),
        occlusion=template.occlusion.numpy().astype(np.float16),
    )


def load_template(path: Path) -> Template:
    """Read `save_template`'s file. Raises UserError when it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return Template(
                torch.from_numpy(data["mean"].astype(np.float32)),
                torch.from_numpy(data["faces"].astype(np.int64)),
                torch.from_numpy(data["part"]),
                torch.from_numpy(data["identity_basis"].astype(np.float32)),
                torch.from_numpy(data["expression_basis"].astype(np.float32)),
                tuple(str(name) for name in data["expression_names"]),
                torch.from_numpy(data["landmarks"].astype(np.int64)),
                torch.from_numpy(data["occlusion"].astype(np.float32)),
            )
    except UNREADABLE_NPZ as error:
        raise UserError(
            f"The template head {path} can't be read ({error}). "
            "Restore it from the project's repository or name another with --template."
        ) from error

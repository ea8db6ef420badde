# SPDX-License-Identifier: GPL-3.0-or-later
"""From the evidence of photographs to the shape that the template's basis has no room for.

A linear network with one narrow layer (reduced-rank regression, Izenman 1975), as cascaded shape
regression uses (Xiong and De la Torre, "Supervised descent method", CVPR 2013). Trained on
synthetic people (`training/shape_regression.py`), it knows how heads vary together and by how much
the landmarks and normals err, which no hand-set variance tells. It says how some two
hundred points of the head move; between them the surface follows smoothly (a Gaussian process'
mean).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from idto3d.errors import UNREADABLE_NPZ, UserError
from idto3d.head.evidence import gather
from idto3d.head.fit import PhotoFit
from idto3d.head.regions import smoothstep
from idto3d.head.template import CHIN, Template
from idto3d.identity.intrinsic_images import IntrinsicImages
from idto3d.identity.landmarks import Landmarks

# How far (units) points move together, and how much: the whole head, a nose, a lip.
REACHES, AMOUNTS = (0.35, 0.12, 0.06), (1.0, 0.5, 0.25)
# Of evidence and of what is made of it, in standard deviations: photographs may hold what no
# synthetic person has, and a linear law carries that as far as it will go.
UNUSUAL, RARE = 2.5, 2.5
NUGGET = 1e-4  # on the kernel's diagonal: what keeps close points from fighting


@dataclass(frozen=True)
class ShapeRegression:
    """The trained network; D numbers go in, C points' moves come out, R lie between."""

    points: np.ndarray  # (P,) vertices at which normals are compared
    centres: np.ndarray  # (C,) vertices whose moves are told
    mean: np.ndarray  # (D,) of the evidence over people
    spread: np.ndarray  # (D,) its standard deviation
    narrow: np.ndarray  # (D,R) to numbers whose standard deviation over people is 1
    widen: np.ndarray  # (R,3C)
    usual: np.ndarray  # (3C,) units, the mean move

    def moves(self, evidence: np.ndarray) -> np.ndarray:
        """Units (C,3) of one person's evidence (D,), or (N,C,3) of (N,D)."""
        off = (evidence - self.mean) / self.spread
        told = np.clip(off, -UNUSUAL, UNUSUAL) @ self.narrow
        moves = np.clip(told, -RARE, RARE) @ self.widen + self.usual
        return moves.reshape(*moves.shape[:-1], -1, 3)

    def offset(
        self,
        template: Template,
        coefficients: torch.Tensor,
        embedding: np.ndarray,
        photos: Sequence[PhotoFit],
        marks: Sequence[Landmarks],
        images: Sequence[Sequence[IntrinsicImages]],
    ) -> torch.Tensor:
        """How the template's vertices move, (V,3) float32 units; arguments as of `gather`."""
        found = gather(template, coefficients, self.points, embedding, photos, marks, images)
        mean = template.mean.double().numpy()
        field = smooth_field(mean, mean[self.centres], self.moves(found.row()))
        chin = mean[template.landmarks[CHIN], 1]
        above_neck = smoothstep(mean[:, 1].min(), chin, mean[:, 1])
        return torch.from_numpy((above_neck[:, None] * field).astype(np.float32))


def smooth_field(places: np.ndarray, centres: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The moves (C,3) of points at centres (C,3), carried smoothly to places (V,3): (V,3).

    The mean of a Gaussian process (Rasmussen and Williams 2006, eq. 2.25).
    """
    system = _kernel(centres, centres) + NUGGET * np.eye(len(centres))
    return _kernel(places, centres) @ np.linalg.solve(system, moves)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A,B) covariance of moves at (A,3) and (B,3)."""
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    pairs = zip(REACHES, AMOUNTS, strict=True)
    return sum(amount**2 * np.exp(-0.5 * square / reach**2) for reach, amount in pairs)


def save_shape_regression(network: ShapeRegression, path: Path) -> None:
    """Write an npz without objects, the large matrices in half precision."""
    np.savez_compressed(
        path,
        points=network.points.astype(np.int32),
        centres=network.centres.astype(np.int32),
        mean=network.mean.astype(np.float32),
        spread=network.spread.astype(np.float32),
        narrow=network.narrow.astype(np.float16),
        widen=network.widen.astype(np.float16),
        usual=network.usual.astype(np.float32),
    )


def load_shape_regression(path: Path) -> ShapeRegression:
    """Read `save_shape_regression`'s file. Raises UserError when it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as data:
            points, centres = (data[name].astype(np.int64) for name in ("points", "centres"))
            names = ("mean", "spread", "narrow", "widen", "usual")
            return ShapeRegression(
                points, centres, *(data[name].astype(np.float64) for name in names)
            )
    except UNREADABLE_NPZ as error:
        raise UserError(
            f"The shape regression {path} can't be read ({error}). "
            "Restore it from the project's repository."
        ) from error

# SPDX-License-Identifier: GPL-3.0-or-later
"""A generated head as the artist gets it: the mesh, the morph targets and the maps of head.glb."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from idto3d.asset.build import HeadModel
from idto3d.asset.mesh import neck_base
from idto3d.asset.read import read_head
from idto3d.asset.textured import Seen, TexturedHead
from idto3d.errors import UserError
from idto3d.evaluation.geometry import Surface
from idto3d.evaluation.portraits import FIVE_POINTS
from idto3d.head.template import Template
from idto3d.pictures import Finished
from idto3d.render.cameras import Cameras

PLACING_STEPS = 3


@dataclass(frozen=True)
class FinishedHead:
    """One expression of a finished head, a `portraits.Head`."""

    drawn: TexturedHead  # shared by all expressions
    pose: int
    five_points: np.ndarray  # (5,3)

    def see(self, camera: Cameras, size: int) -> Seen:
        return self.drawn.see(self.pose, camera, size)

    def colours(self, points: np.ndarray, areas: np.ndarray) -> np.ndarray:
        """sRGB (N,3) in [0,1] of what lies closest to points (N,3), each a mean over an area (N,).

        Unit space; the mean is the map's own smaller copy.
        """
        model = self.drawn.model
        face, barycentric = Surface(model.positions[self.pose], model.faces).locate(points)
        uv = (model.uv[model.faces[face]] * barycentric[..., None]).sum(axis=1)
        corners = model.positions[self.pose][model.faces[face]].astype(np.float64)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        size = 0.5 * np.linalg.norm(cross, axis=1)
        texels = self.drawn.texels[face].numpy() * areas / np.maximum(size, 1e-12)
        albedo, _, _ = self.drawn.pyramid.sample(
            torch.from_numpy(uv).float(), torch.from_numpy(np.sqrt(texels)).float()
        )
        return albedo.numpy()


def finished_heads(result: Path, finished: Finished, fine: Template) -> list[FinishedHead]:
    """All expressions of a finished job, the neutral face first, in unit space.

    result: the folder with head.glb; finished: the surface that it was made from, which says where
    the head was and where its five points are; `fine` is the subdivided template that it wraps.
    Raises UserError when head.glb can't be read or is of another surface.
    """
    model = read_head(result / "head.glb")
    if model.expressions != finished.expressions:
        raise UserError(
            f"{result / 'head.glb'} has other expressions than the surface beside it. "
            "Make this head again."
        )
    drawn = TexturedHead(placed(model, finished))
    marks = fine.landmarks.numpy()[list(FIVE_POINTS)]
    return [
        FinishedHead(drawn, pose, finished.poses[pose][marks].astype(np.float32))
        for pose in range(len(finished.expressions))
    ]


def placed(model: HeadModel, finished: Finished) -> HeadModel:
    """The model where its surface was optimised: the asset's own origin is the neck's base.

    Simplification moves the lowest points a little, so the shift is found by closest points, by the
    nearer half of them: parts are added that the surface doesn't have, teeth and lashes.
    """
    neutral = finished.poses[0].astype(np.float32)
    surface = Surface(neutral, finished.faces)
    shift = neck_base(neutral).astype(np.float64)
    for _ in range(PLACING_STEPS):
        moved = model.positions[0] + shift
        gap = surface.closest(moved)[1] - moved
        length = np.linalg.norm(gap, axis=1)
        shift = shift + np.median(gap[length <= np.median(length)], axis=0)
    return replace(model, positions=model.positions + shift.astype(np.float32))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A glTF of a painted head: the template's coarse triangles, each with a spot of its own colour."""

from pathlib import Path

import numpy as np
import torch

from idto3d.asset.bake import Maps
from idto3d.asset.build import HeadModel, write_asset
from idto3d.pictures import Finished
from idto3d.render.normals import vertex_normals

SPOT = 4  # texels of a side


def toy_model(head: Finished, faces: np.ndarray) -> HeadModel:
    """Flat colours, the means of each triangle's corners; the neutral face's materials.

    faces: (F,3), over vertices of the head; the subdivided template begins with the coarse one's.
    """
    side = int(np.ceil(np.sqrt(len(faces))))
    corner = faces.ravel()
    place = np.arange(len(faces))
    uv = (np.stack([place % side, place // side], axis=1) + 0.5) / side
    poses = head.poses.astype(np.float32)
    normals = np.stack(
        [vertex_normals(torch.from_numpy(p), torch.from_numpy(head.faces)).numpy() for p in poses]
    )
    tangents = np.zeros((len(corner), 4), dtype=np.float32)
    tangents[:, [0, 3]] = 1
    values = np.zeros((side * side, 5))
    values[: len(place)] = head.materials[0][faces].mean(axis=1)

    def spots(colours: np.ndarray) -> np.ndarray:
        texels = np.rint(255 * colours).astype(np.uint8).reshape(side, side, 3)
        return texels.repeat(SPOT, axis=0).repeat(SPOT, axis=1)

    orm = np.concatenate([np.ones((side * side, 1)), values[:, 3:]], axis=1)
    flat = np.tile([0.5, 0.5, 1.0], (side * side, 1))
    return HeadModel(
        head.expressions,
        np.arange(len(corner)).reshape(-1, 3),
        uv.repeat(3, axis=0).astype(np.float32),
        poses[:, corner],
        normals[:, corner],
        tangents,
        Maps(spots(values[:, :3]), spots(flat), spots(orm)),
    )


def write_toy_asset(folder: Path, head: Finished, faces: np.ndarray) -> None:
    """surface.npz and head.glb, as a job leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    head.save(folder / "surface.npz")
    write_asset(folder, toy_model(head, faces), "toy", "test", {})

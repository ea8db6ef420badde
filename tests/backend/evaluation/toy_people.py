# SPDX-License-Identifier: GPL-3.0-or-later
"""People made from the shipped template alone: quick to draw, and their heads are known."""

from pathlib import Path

import numpy as np
import torch

from idto3d.assets import ASSETS
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, smoothstep
from idto3d.head.template import Template, load_template
from idto3d.render.normals import vertex_normals
from idto3d.texture.paint import Look, paint_head
from idto3d.training.people import Person

SKINS = ((0.90, 0.72, 0.60), (0.42, 0.27, 0.19), (0.72, 0.52, 0.38))


class ToyPeople:
    """In the place of `idto3d.training.people.People`."""

    def __init__(self, template: Template | None = None, ict_folder: Path | None = None) -> None:
        self.template = template or load_template(ASSETS / "template" / "head.npz")
        self.fine = self.template.subdivided()

    def person(self, seed: int, index: int) -> Person:
        """A head two standard deviations from the mean, another for each index."""
        fine = self.fine
        draw = np.random.default_rng([seed, index]).normal(size=len(fine.identity_basis))
        coefficients = torch.from_numpy((2 * draw).astype(np.float32))
        bare, faces = fine.neutral(coefficients), fine.faces
        part, landmarks = fine.part.numpy(), fine.landmarks.numpy()
        normals = vertex_normals(bare, faces).numpy()
        shape = bare.numpy()
        eyes = np.stack([shape[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
        look = Look(SKINS[index % 3], hair=(0.2, 0.15, 0.1), iris=(0.4, 0.3, 0.2), seed=index)
        front = smoothstep(0.0, 0.3, normals[:, 2])
        paint = paint_head(shape, shape[landmarks], part, front, eyes, look)
        return Person(
            "toy",
            (shape + paint.offset[:, None] * normals).astype(np.float32),
            shape,
            faces.numpy(),
            part,
            landmarks,
            paint,
            fine.occlusion.numpy(),
            {},
            coefficients.numpy(),
            lambda arkit: fine.expression(arkit).numpy(),
        )

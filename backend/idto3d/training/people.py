# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic people with known heads: shape, expressions, paint and words, from anny and ICT."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, smoothstep
from idto3d.head.subdivide import loop_subdivision
from idto3d.head.template import Template
from idto3d.render.normals import vertex_normals
from idto3d.texture.hint_paint import hint_paint
from idto3d.texture.paint import Paint, paint_head
from idto3d.training.anny_head import AnnyHead, AnnyPerson, sample_person
from idto3d.training.attire.outfit import dressed, restyled
from idto3d.training.attire.surfaces import Worn
from idto3d.training.attire.wrinkles import Relief
from idto3d.training.ict_head import IctHead, load_ict
from idto3d.training.looks import sample_look
from idto3d.training.occlusion import ambient_visibility


@dataclass(frozen=True)
class Person:
    """One synthetic person; positions in the template's unit space."""

    family: str  # "anny" or "ict"
    neutral: np.ndarray  # (V,3) float32 with hair volume
    bare: np.ndarray  # (V,3) float32 without hair: the truth for geometry
    faces: np.ndarray  # (F,3) int64
    part: np.ndarray  # (V,) uint8
    landmarks: np.ndarray  # (68,) vertex indices
    paint: Paint
    occlusion: np.ndarray  # (V,) float32
    words: dict[str, str]
    coefficients: np.ndarray  # (I,) the template's identity coefficients nearest to this head
    displacement: Callable[[dict[str, float]], np.ndarray]  # ARKit weights -> (V,3)
    relief: Relief | None = None  # wrinkles and pores
    grown: tuple[Worn, ...] = ()  # teeth, lashes, hair that leaves the scalp: in every picture
    accessories: tuple[Worn, ...] = ()  # taken off for the pictures that embeddings are made of


class People:
    """Draws people by seed: person i of a seed is always the same."""

    def __init__(
        self, template: Template, ict_folder: Path | None, levels: int = 1, dressed: bool = False
    ) -> None:
        """`levels` of subdivision of anny's mesh: 1 for training pictures, 2 for large photos.

        `dressed` people have hairstyles, teeth, lashes, wrinkles and accessories besides; nothing
        else about them differs.
        """
        self.template = template
        self.dressed = dressed
        self.anny = AnnyHead()
        self.fine = template.subdivided()
        self.hint_paint = hint_paint(self.fine)  # what hints show of everybody
        self._matrix, self._anny_faces = loop_subdivision(self.anny.faces, len(self.anny.part))
        finest = self.fine
        for _ in range(levels - 1):
            matrix, self._anny_faces = loop_subdivision(self._anny_faces, len(finest.mean))
            self._matrix = matrix @ self._matrix
            finest = finest.subdivided()
        self._anny_part = finest.part.numpy()
        self._anny_occlusion = finest.occlusion.numpy()
        self.ict: IctHead | None = load_ict(ict_folder, template) if ict_folder else None
        if self.ict is not None:
            self._ict_occlusion = ambient_visibility(self.ict.mean, self.ict.faces)
        basis = template.identity_basis.numpy().reshape(len(template.identity_basis), -1)
        self._basis = basis
        self._inverse = 1.0 / (basis**2).sum(axis=1)
        self._read_words()

    def person(self, seed: int, index: int) -> Person:
        random = np.random.default_rng([seed, index])
        outfit = np.random.default_rng([seed, index, 1]) if self.dressed else None
        if self.ict is not None and index % 2 == 1:
            return self._ict_person(random, outfit)
        return self._anny_person(random, outfit)

    def template_landmarks(self, person: Person) -> np.ndarray:
        """(68,) vertices of the person where the template has its landmarks."""
        if self.ict is not None and person.family == "ict":
            return self.ict.template_landmarks
        return person.landmarks

    def _project(self, positions: np.ndarray) -> np.ndarray:
        """Template coefficients of positions on the template's own topology."""
        offset = (positions - self.template.mean.numpy()).ravel()
        return ((self._basis @ offset) * self._inverse).astype(np.float32)

    def _read_words(self) -> None:
        """Ridge from template coefficients to gender and age, for heads without labels."""
        random = np.random.default_rng(11)
        people = [sample_person(random, self.anny.local_names) for _ in range(400)]
        shapes = self.anny.positions(people)
        rows = np.stack([np.append(self._project(shape), 1.0) for shape in shapes])
        labels = np.array([[p.phenotype["gender"], p.phenotype["age"]] for p in people])
        system = rows.T @ rows + 2.0 * np.eye(rows.shape[1])
        self._labels = np.linalg.solve(system, rows.T @ labels)

    def _anny_person(
        self, random: np.random.Generator, outfit: np.random.Generator | None
    ) -> Person:
        person = sample_person(random, self.anny.local_names)
        coarse = self.anny.positions([person])[0]
        look, words = sample_look(random, person.phenotype["gender"], person.phenotype["age"])
        bare = np.asarray(self._matrix @ coarse, dtype=np.float32)

        def displacement(arkit: dict[str, float]) -> np.ndarray:
            moved = self.anny.positions([person], arkit)[0] - coarse
            return np.asarray(self._matrix @ moved, dtype=np.float32)

        return self._painted(
            "anny", bare, self._anny_faces, self._anny_part, self.template.landmarks.numpy(),
            self._anny_occlusion, look, words, self._project(coarse), displacement, outfit,
        )  # fmt: skip

    def _ict_person(
        self, random: np.random.Generator, outfit: np.random.Generator | None
    ) -> Person:
        assert self.ict is not None
        weights = random.normal(size=len(self.ict.identity)).astype(np.float32)
        bare = self.ict.mean + np.tensordot(weights, self.ict.identity, 1)
        coefficients = (self.ict.to_template @ np.append(1.0, weights)).astype(np.float32)
        gender, age = np.append(coefficients, 1.0) @ self._labels
        look, words = sample_look(random, float(gender), float(np.clip(age, 0.55, 0.97)))
        return self._painted(
            "ict", bare, self.ict.faces, self.ict.part, self.ict.landmarks,
            self._ict_occlusion, look, words, coefficients, self.ict.displacement, outfit,
        )  # fmt: skip

    def _painted(
        self, family, bare, faces, part, landmarks, occlusion, look, words, coefficients, displace,
        outfit,
    ) -> Person:  # fmt: skip
        if outfit is not None:
            look, words = restyled(look, words, outfit)
        normals = vertex_normals(torch.from_numpy(bare), torch.from_numpy(faces)).numpy()
        front = smoothstep(0.0, 0.3, normals[:, 2])
        eyes = np.stack([bare[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
        paint = paint_head(bare, bare[landmarks], part, front, eyes, look)
        neutral = (bare + paint.offset[:, None] * normals).astype(np.float32)
        person = Person(
            family, neutral, bare, faces, part, landmarks, paint, occlusion, words,
            coefficients, displace,
        )  # fmt: skip
        return person if outfit is None else dressed(person, look, self.template, outfit)


__all__ = ["AnnyPerson", "People", "Person"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic people, photographed and fitted as a user is: what their photographs tell, and how far
the fitted head lies from the true one."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.spatial import cKDTree

from idto3d.assets import ASSETS
from idto3d.evaluation.held_out import PHOTO_SIZE, casual_photos
from idto3d.generate import look_into_photos, shape_to_photos
from idto3d.head.evidence import Evidence, gather
from idto3d.head.regions import SKIN
from idto3d.head.relief import face_weight
from idto3d.head.rigid_motion import kabsch
from idto3d.head.subdivide import loop_subdivision
from idto3d.head.template import CHIN, Template
from idto3d.identity import Person as SeenPerson
from idto3d.identity import open_encoder, person_from_photos
from idto3d.identity.landmarks import find_landmarks
from idto3d.training.correspondence import Correspondence, correspondence
from idto3d.training.dataset import expression_table
from idto3d.training.ict_head import IctHead
from idto3d.training.people import People, Person

# Another population than any other training's and the evaluation's: people's seed, first number,
# and what is added to a person's number for the photographs.
SEED, FIRST_PERSON, PHOTOS_FROM = 2026, 100_000, 1_000_000
# Points at which normals are compared, and points whose moves are learned, of the face and of the
# rest of the head; of one half, their mirror images beside them.
POINTS, FACE_CENTRES, OTHER_CENTRES = 360, 90, 40
FEW = 3  # photos at most that a person is also told by
FLIP = np.array([-1.0, 1.0, 1.0])  # a mirror image's coordinates


@dataclass(frozen=True)
class Layout:
    """What is compared and learned where, the same on both sides of the template."""

    points: np.ndarray  # (P,) vertices
    centres: np.ndarray  # (C,) vertices
    mirrored_points: np.ndarray  # (P,) places in `points`
    mirrored_centres: np.ndarray  # (C,) places in `centres`
    aligned: np.ndarray  # (V,) weight of what the true head is laid on the fitted one by


@dataclass(frozen=True)
class Example:
    """One person."""

    evidence: Evidence
    moves: np.ndarray  # (C,3) from the fitted to the true head, laid on it
    places: np.ndarray  # (C,3) of the fitted head


def layout(template: Template, valid: np.ndarray) -> Layout:
    """valid (V,): vertices whose true place is known for everybody."""
    mean = template.mean.double().numpy()
    mirror = cKDTree(mean).query(mean * FLIP)[1]
    valid = valid & valid[mirror]
    weight = face_weight(template, mean) * valid
    half = mean[:, 0] > -1e-4
    face = weight > 0.5
    # Two people's necks lean otherwise, and photographs don't show why.
    head = mean[:, 1] > mean[template.landmarks[CHIN], 1]
    points = _spread(mean, np.flatnonzero(face & half), POINTS)
    centres = np.concatenate(
        [
            _spread(mean, np.flatnonzero(face & half), FACE_CENTRES),
            _spread(mean, np.flatnonzero(valid & ~face & half & head), OTHER_CENTRES),
        ]
    )
    points, centres = (np.unique([chosen, mirror[chosen]]) for chosen in (points, centres))
    return Layout(
        points,
        centres,
        np.searchsorted(points, mirror[points]),
        np.searchsorted(centres, mirror[centres]),
        weight,
    )


def _spread(positions: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """(count,) of the vertices `among`, each as far from those before as it can be."""
    places = positions[among]
    chosen = [int(places[:, 2].argmax())]
    distance = np.full(len(places), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, ((places - places[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return among[chosen]


class Collector:
    """Makes examples of people: of anny's, and of ICT's when its folder is named."""

    def __init__(self, template: Template, ict: Path | None) -> None:
        self.template = template
        self.people = People(template, ict)
        self.table = expression_table(ASSETS / "expressions.json")
        self.encoder = open_encoder("dlib")
        self.laid = lay_on_ict(template, self.people.ict) if self.people.ict else None
        skin = template.part.numpy() == SKIN
        self.layout = layout(template, self.laid.valid if self.laid else skin)
        count = len(template.mean)
        # anny's people come subdivided: the fitted head is compared as smooth as they are.
        self.smooth = loop_subdivision(template.faces.numpy(), count)[0].tocsr()[:count]

    def examples(self, index: int) -> list[Example]:
        """Of person `index`: by all photos, and by a few of them. Raises UserError when no photo of
        theirs can be used."""
        person = self.people.person(SEED, index)
        pictures = casual_photos(person, PHOTOS_FROM + index, self.table, PHOTO_SIZE)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.png" for number in range(len(pictures))]
            for file, picture in zip(files, pictures, strict=True):
                Image.fromarray(picture).save(file, compress_level=1)
            seen = person_from_photos(files, self.encoder)
        random = np.random.default_rng([SEED, index])
        few = random.permutation(len(seen.photos))[: random.integers(1, FEW + 1)]
        return [self._example(person, seen), self._example(person, _only(seen, few))]

    def _example(self, person: Person, seen: SeenPerson) -> Example:
        pairs = zip(seen.photos, seen.landmarks, strict=True)
        marks = [find_landmarks(photo.pixels, five) for photo, five in pairs]
        guess, photos = shape_to_photos(ASSETS / "template", self.template, seen, marks)
        images = look_into_photos(self.template, guess, seen, photos)
        evidence = gather(
            self.template, guess.coefficients, self.layout.points, seen.mean, photos, marks, images
        )
        return self.compared(person, guess.coefficients, evidence)

    def compared(self, person: Person, coefficients: torch.Tensor, evidence: Evidence) -> Example:
        """The example of a fitted head with identity coefficients (I,)."""
        true = person.bare.astype(np.float64)
        if self.laid and person.family == "ict":
            true = self.laid.carried(true)
        # The template's own vertices are the first of anny's subdivided ones.
        true = true[: len(self.template.mean)]
        fitted = self.smooth @ self.template.neutral(coefficients).double().numpy()
        true = kabsch(true, fitted, self.layout.aligned).apply(true)
        centres = self.layout.centres
        return Example(evidence, (true - fitted)[centres], fitted[centres])


def _only(seen: SeenPerson, photos: np.ndarray) -> SeenPerson:
    """The person by these photos (N,) alone."""
    return replace(
        seen,
        embeddings=seen.embeddings[photos],
        mean=seen.embeddings[photos].mean(axis=0),
        landmarks=seen.landmarks[photos],
        photos=tuple(seen.photos[photo] for photo in photos),
    )


def lay_on_ict(template: Template, head: IctHead) -> Correspondence:
    """The template laid on the mean of ICT's people."""
    start = template.neutral(torch.from_numpy(head.to_template[:, 0]).float())
    skin = head.faces[(head.part == SKIN)[head.faces].all(axis=1)]
    return correspondence(
        template, start.double().numpy(), head.mean.astype(np.float64), skin, head.landmarks
    )


def save_examples(examples: list[Example], path: Path) -> None:
    """Write one person's to an npz; a file that is there is whole."""
    evidence: dict[str, Any] = {
        name: np.stack([getattr(example.evidence, name) for example in examples])
        for name in Evidence.__dataclass_fields__
    }
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        **evidence,
        moves=np.stack([example.moves for example in examples]),
        places=np.stack([example.places for example in examples]),
    )
    os.replace(temporary, path)


def load_examples(path: Path) -> list[Example]:
    """Those of one person, as they were saved."""
    with np.load(path, allow_pickle=False) as data:
        fields = [data[name] for name in Evidence.__dataclass_fields__]
        moves, places = data["moves"], data["places"]
    evidence = [Evidence(*parts) for parts in zip(*fields, strict=True)]
    return [Example(*parts) for parts in zip(evidence, moves, places, strict=True)]

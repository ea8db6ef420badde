# SPDX-License-Identifier: GPL-3.0-or-later
"""Held-out synthetic people: casual photographs to generate from, other pictures to compare with.

Every random draw comes from the population's seed, the person's number and a stream of its own, so
that photos, comparison pictures and portraits never share a light or a pose.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from idto3d.asset.files import make_folder, write_whole
from idto3d.evaluation.identity import PICTURE_SIZE, PICTURES
from idto3d.evaluation.judges import Dlib, embed_pictures
from idto3d.job.protocol import JobFolder
from idto3d.render.cameras import orbit
from idto3d.render.eight_bits import eight_bits
from idto3d.training.dataset import FIVE_POINTS, screen_points
from idto3d.training.people import Person
from idto3d.training.views import render_views

# The population that is measured; training draws from another seed (DatasetSettings.seed).
SEED = 987654
PHOTOS = 5
PHOTO_SIZE = 384  # pixels
YAW, PITCH = 35.0, 12.0  # degrees to each side, uniform
PHOTO_STREAM, COMPARISON_STREAM, PORTRAIT_STREAM, CEILING_STREAM = 1, 2, 3, 4
POSE_STREAM, TRUE_POSE_STREAM, EXPRESSION_STREAM, MANY_STREAM = 5, 6, 7, 8


@dataclass(frozen=True)
class Case:
    """One person of an evaluation and where their files lie."""

    index: int  # number in the population
    person: Person
    photos: tuple[Path, ...]  # PNG files to generate from
    job: JobFolder

    @property
    def name(self) -> str:
        return f"Person {self.index}"

    @property
    def finished(self) -> bool:
        return self.job.head.is_file()


def case(root: Path, person: Person, index: int, photos: int = PHOTOS) -> Case:
    """The case in folder `root`, with the first of its photos; `write_photos` makes them."""
    return Case(index, person, tuple(photo_files(root)[:photos]), JobFolder(root / "job"))


def stream(index: int, number: int) -> np.random.Generator:
    """The generator of person `index` for one of the streams above."""
    return np.random.default_rng([SEED, index, number])


def casual_photos(person: Person, index: int, table: list[dict], size: int) -> list[np.ndarray]:
    """PHOTOS pictures (size,size,3) uint8: any light, pose, expression, framing, background.

    table: rows of assets/expressions.json.
    """
    random = stream(index, PHOTO_STREAM)
    photos = []
    for _ in range(PHOTOS):
        row = table[random.integers(len(table))]
        moved = random.uniform(0, 1) * person.displacement(row["arkit"])
        camera = orbit(
            float(random.uniform(-YAW, YAW)),
            float(random.uniform(-PITCH, PITCH)),
            float(random.uniform(2.3, 2.8)),
            tuple(random.uniform(-0.04, 0.04, 3) + np.array([0.0, 0.0, 0.03])),
            float(random.uniform(20, 25)),
        )
        shape = torch.from_numpy((person.neutral + moved).astype(np.float32))[None]
        picture = render_views(person, shape, camera, size, random).photo[0]
        photos.append(eight_bits(picture))
    return photos


def photo_files(root: Path) -> list[Path]:
    """Where a person's photos lie, PHOTOS of them."""
    return [root / "photos" / f"photo-{number + 1}.png" for number in range(PHOTOS)]


def write_photos(case: Case, table: list[dict]) -> None:
    """Make the person's photos, all PHOTOS of them, unless they are there.

    table: rows of assets/expressions.json. Raises UserError when the disk refuses.
    """
    files = photo_files(case.job.root.parent)
    if all(file.is_file() for file in files):
        return
    make_folder(files[0].parent)
    pictures = casual_photos(case.person, case.index, table, PHOTO_SIZE)
    for file, picture in zip(files, pictures, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        write_whole(file, buffer.getvalue())


def comparison_pictures(
    person: Person, index: int, table: list[dict]
) -> tuple[np.ndarray, np.ndarray]:
    """Further pictures of the person (PICTURES,S,S,3) uint8, in no photo and no portrait, and
    dlib's five points in them (PICTURES,5,2)."""
    random = stream(index, COMPARISON_STREAM)
    return casual_portraits(person, PICTURES, random, table)


def casual_portraits(
    person: Person, count: int, random: np.random.Generator, table: list[dict]
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count,S,S,3) uint8 under any light with any expression, and dlib's five points in
    them (count,5,2). Drawn as `training.dataset.identity_embeddings` draws its own."""
    yaw = torch.from_numpy(random.uniform(-YAW, YAW, count)).float()
    pitch = torch.from_numpy(random.uniform(-PITCH, PITCH, count)).float()
    cameras = orbit(yaw, pitch, 2.6, (0.0, 0.0, 0.05), 19.0)
    moved = [person.displacement(table[random.integers(len(table))]["arkit"]) for _ in range(count)]
    amount = random.uniform(0.0, 1.0, count)
    shapes = [person.neutral + a * d for a, d in zip(amount, moved, strict=True)]
    vertices = torch.from_numpy(np.stack(shapes).astype(np.float32))
    photos = render_views(person, vertices, cameras, PICTURE_SIZE, random).photo
    marks = vertices[:, person.landmarks[list(FIVE_POINTS)]]
    points = screen_points(marks, cameras, PICTURE_SIZE)
    return eight_bits(photos), points


def comparison_embeddings(person: Person, index: int, table: list[dict]) -> np.ndarray:
    """(PICTURES,128) dlib's embeddings of `comparison_pictures`."""
    return embed_pictures(Dlib(), *comparison_pictures(person, index, table))

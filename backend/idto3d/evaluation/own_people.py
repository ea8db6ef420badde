# SPDX-License-Identifier: GPL-3.0-or-later
"""People whose photographs the user gives: a folder with a subfolder for each of them.

Every second photograph, by name, is held back: no head is made from it, whatever else is asked, so
that it is always the same pictures that heads are compared with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d.evaluation.judges import Judge
from idto3d.identity import open_encoder, person_from_photos
from idto3d.identity.align import similarity_chip
from idto3d.identity.dlib_encoder import MEAN_LANDMARKS
from idto3d.identity.photos import Photo, read_photo
from idto3d.identity.verdicts import Severity, Verdict

HELD_BACK = slice(1, None, 2)
FACE_SIZE = 256  # pixels of the face that a contact sheet shows
# Of the face's own size, around it there; the face begins at the brows, so hair needs more above.
PADDING, ABOVE = 0.75, 0.25
TEMPLATE = (MEAN_LANDMARKS + (PADDING, PADDING + ABOVE)) / (1 + 2 * PADDING) * FACE_SIZE


@dataclass(frozen=True)
class OwnPerson:
    """Somebody with P photographs that can be used, two at least."""

    name: str  # of the subfolder
    photos: tuple[Path, ...]  # P, by name
    embeddings: dict[str, np.ndarray]  # judge -> (P,D)
    face: np.ndarray  # (FACE_SIZE,FACE_SIZE,3) uint8, of the first photograph that is held back


def made_from(most: int) -> slice:
    """Which photographs, by name, a head is generated from: `most` of those not held back."""
    return slice(0, 2 * most, 2)


def folders_of(people: Path) -> list[Path]:
    """The subfolders with files in them, by name.

    Raises UserError where there is no such folder or none in it.
    """
    if not people.is_dir():
        raise UserError(f"There is no folder {people}. Check the spelling of its path.")
    found = [folder for folder in sorted(people.iterdir()) if folder.is_dir() and _files(folder)]
    if not found:
        raise UserError(
            f"The folder {people} has no subfolders with photographs. "
            "Make one for each person and put the person's photographs there."
        )
    return found


def read_people(people: Path, judges: Sequence[Judge]) -> list[OwnPerson]:
    """Everybody in the folder who has two photographs that can be used; a sentence is printed for
    each photograph and each person left out.

    Raises UserError where nobody is left, and what `folders_of` raises.
    """
    found = []
    for folder in folders_of(people):
        print(f"Looking at the photographs of {folder.name}", flush=True)
        try:
            found.append(_person(folder, judges))
        except UserError as error:
            print(f"{folder.name} is left out: {error}", flush=True)
    if not found:
        raise UserError(
            f"Nobody in {people} has two photographs that can be used, one to generate from and "
            "one to compare with. Add photographs that show the face from the front."
        )
    return found


def _person(folder: Path, judges: Sequence[Judge]) -> OwnPerson:
    readable = []
    for path in _files(folder):
        try:
            read_photo(path)
            readable.append(path)
        except UserError as error:
            print(f"{folder.name}: {error}", flush=True)
    if len(readable) < 2:
        raise _too_few(len(readable))
    seen = person_from_photos(readable, open_encoder("dlib"))
    for verdict in seen.verdicts:
        if not verdict.usable:
            print(f"{folder.name}: {_refusal(verdict)}", flush=True)
    # A copy that is held back would be no other picture.
    first: dict[str, int] = {}
    for row, photo in enumerate(seen.photos):
        if first.setdefault(photo.sha256, row) != row:
            print(f"{folder.name}: {photo.name} is left out: there is a copy of it.", flush=True)
    rows = list(first.values())
    if len(rows) < 2:
        raise _too_few(len(rows))
    photos = [seen.photos[row] for row in rows]
    points = [seen.landmarks[row] for row in rows]
    shown = photos[HELD_BACK][0], points[HELD_BACK][0]
    return OwnPerson(
        folder.name,
        tuple(photo.path for photo in photos),
        {judge.name: _embed(judge, photos, points) for judge in judges},
        similarity_chip(shown[0].pixels, shown[1], TEMPLATE, FACE_SIZE),
    )


def _embed(judge: Judge, photos: Sequence[Photo], points: Sequence[np.ndarray]) -> np.ndarray:
    chips = [judge.align(photo.pixels, five) for photo, five in zip(photos, points, strict=True)]
    return judge.embed(np.stack(chips))


def _files(folder: Path) -> list[Path]:
    """By name, without what file managers hide."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]


def _too_few(usable: int) -> UserError:
    return UserError(
        f"{usable} photograph can be used, and two are needed. Add one to compare with."
        if usable
        else "no photograph can be used. Add two, one of them to compare with."
    )


def _refusal(verdict: Verdict) -> str:
    worst = [each for each in verdict.findings if each.severity == Severity.UNUSABLE]
    said = " ".join(f"{each.reason}. {each.advice}" for each in worst)
    return f"{verdict.path.name} is left out: {said}"

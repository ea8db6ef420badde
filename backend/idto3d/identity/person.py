# SPDX-License-Identifier: GPL-3.0-or-later
"""From photographs to a person: the faces, their embedding, and what to say about each photo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d.identity.detect import Face, find_faces, turned
from idto3d.identity.encoders import Encoder, Finder, chip_of
from idto3d.identity.photos import Photo, read_photo
from idto3d.identity.quality import measure
from idto3d.identity.verdicts import (
    HARD_TO_FIND,
    NO_FACE,
    Finding,
    Limits,
    Verdict,
    judge,
    lying_down,
    other_person,
    several_faces,
    strangers,
    too_few_pixels,
)

# A face with its eyes 12 pixels apart (`Limits.tiny_eye_distance`) needs a picture of this side.
_MINIMUM_SIDE = 25
# In a group photo, the largest faces are compared with the other photos.
_MAXIMUM_FACES = 6


@dataclass(frozen=True)
class Person:
    """Who is on the photos. N counts the photos that were used, in the order given."""

    encoder: str  # "dlib" or "insightface"
    embeddings: np.ndarray  # (N, D) float32
    mean: np.ndarray  # (D,) float32, of the embeddings
    aligned_faces: np.ndarray  # (N, S, S, 3) uint8 sRGB, the encoder's chips
    landmarks: np.ndarray  # (N, 5, 2) float32, dlib's five points in pixels of photos[i]
    photos: tuple[Photo, ...]  # the N photos: pixels (for the texture), path, sha256
    verdicts: tuple[Verdict, ...]  # one for each photo given, the unusable ones too


@dataclass(frozen=True)
class _Sighting:
    """The faces of one photo, and the one that was taken."""

    photo: Photo
    faces: tuple[Face, ...]
    chips: np.ndarray  # (F, S, S, 3) uint8
    embeddings: np.ndarray  # (F, D)
    chosen: int  # row of faces; meaningless without faces
    findings: tuple[Finding, ...]


def person_from_photos(
    paths: Sequence[Path | str],
    encoder: Encoder,
    limits: Limits | None = None,
    finder: Finder = find_faces,
) -> Person:
    """Find, judge, align and embed the person on 1 to N photographs.

    Photos that can't be used are left out and say why in their verdict.

    Raises:
        UserError: no photo given, a file that can't be read, or none that can be used.
    """
    if not paths:
        raise UserError("No photo was given. Name one to five photos of one person.")
    sightings = _sight([read_photo(path) for path in paths], encoder, limits or Limits(), finder)
    verdicts = _verdicts(sightings)
    used = [each for each, verdict in zip(sightings, verdicts, strict=True) if verdict.usable]
    if not used:
        raise _none_usable(verdicts)
    embeddings = np.stack([each.embeddings[each.chosen] for each in used])
    return Person(
        encoder=encoder.name,
        embeddings=embeddings,
        mean=embeddings.mean(axis=0),
        aligned_faces=np.stack([each.chips[each.chosen] for each in used]),
        landmarks=np.stack([each.faces[each.chosen].landmarks for each in used]),
        photos=tuple(each.photo for each in used),
        verdicts=verdicts,
    )


def judge_photos(
    photos: Sequence[Photo],
    encoder: Encoder,
    limits: Limits | None = None,
    finder: Finder = find_faces,
) -> tuple[Verdict, ...]:
    """What `person_from_photos` would say about each photo, whether or not any can be used."""
    return _verdicts(_sight(photos, encoder, limits or Limits(), finder))


def report(person: Person) -> list[str]:
    """Lines for the terminal: each photo with its findings, then what the identity rests on."""
    lines = []
    for verdict in person.verdicts:
        said = " ".join(f"{_sentence(f.reason)} {f.advice}" for f in verdict.findings)
        state = "used" if verdict.usable else "left out"
        lines.append(f"{verdict.path.name}: {state}. {said}".rstrip())
    count = len(person.embeddings)
    line = f"Identity from {count} of {len(lines)} photos ({person.encoder}, {person.mean.size})"
    if count > 1:
        pairs = np.linalg.norm(person.embeddings[:, None] - person.embeddings[None], axis=-1)
        line += f"; the photos are {pairs[np.triu_indices(count, 1)].mean():.2f} apart"
    return [*lines, line + "."]


def _sight(
    photos: Sequence[Photo], encoder: Encoder, limits: Limits, finder: Finder
) -> list[_Sighting]:
    sightings = [_look(photo, encoder, finder) for photo in photos]
    sightings = [_take_one(sighting, sightings) for sighting in sightings]
    sightings = [_judge(sighting, limits) for sighting in sightings]
    return _compare(sightings, encoder.stranger_distance, limits)


def _verdicts(sightings: Sequence[_Sighting]) -> tuple[Verdict, ...]:
    return tuple(Verdict(each.photo.path, each.findings) for each in sightings)


def _look(photo: Photo, encoder: Encoder, finder: Finder) -> _Sighting:
    """Find and embed the faces; takes the largest for now."""
    height, width = photo.pixels.shape[:2]
    faces: tuple[Face, ...] = ()
    findings: tuple[Finding, ...] = ()
    if min(height, width) < _MINIMUM_SIDE:
        findings = (too_few_pixels(width, height),)
    else:
        degrees, faces = finder(photo.pixels)
        faces = faces[:_MAXIMUM_FACES]
        if degrees:
            photo = replace(photo, pixels=turned(photo.pixels, degrees))
            findings = (lying_down(degrees),)
        elif not faces:
            findings = (NO_FACE,)
        elif faces[0].detector == "cnn":
            findings = (HARD_TO_FIND,)
    chips = [chip_of(encoder, photo.pixels, face) for face in faces]
    embeddings = encoder.embed(np.stack(chips)) if chips else np.zeros((0, encoder.dimension))
    return _Sighting(photo, faces, np.array(chips), embeddings, 0, findings)


def _take_one(sighting: _Sighting, sightings: Sequence[_Sighting]) -> _Sighting:
    """Of several faces the one most like the photos with a single face; failing those, the
    largest."""
    count = len(sighting.faces)
    if count < 2:
        return sighting
    alone = [each.embeddings[0] for each in sightings if len(each.faces) == 1]
    chosen, why = 0, "the largest"
    if alone:
        distances = np.linalg.norm(sighting.embeddings - np.mean(alone, axis=0), axis=1)
        chosen, why = int(distances.argmin()), "the one most like the other photos"
    place = _place(sighting.faces[chosen], sighting.photo.pixels.shape[1])
    finding = several_faces(count, place, why)
    return replace(sighting, chosen=chosen, findings=(*sighting.findings, finding))


def _judge(sighting: _Sighting, limits: Limits) -> _Sighting:
    if not sighting.faces:
        return sighting
    quality = measure(sighting.photo.pixels, sighting.faces[sighting.chosen])
    return replace(sighting, findings=(*sighting.findings, *judge(quality, limits)))


def _compare(sightings: Sequence[_Sighting], floor: float, limits: Limits) -> list[_Sighting]:
    """Add a finding to photos that probably show somebody else."""
    result = list(sightings)
    usable = [
        row
        for row, each in enumerate(sightings)
        if each.faces and Verdict(each.photo.path, each.findings).usable
    ]
    if not usable:
        return result
    embeddings = np.stack([sightings[row].embeddings[sightings[row].chosen] for row in usable])
    for index in strangers(embeddings, floor, limits):
        rest = np.delete(embeddings, index, axis=0)
        distance = float(np.median(np.linalg.norm(rest - embeddings[index], axis=1)))
        each = sightings[usable[index]]
        finding = other_person(distance)
        result[usable[index]] = replace(each, findings=(*each.findings, finding))
    return result


def _place(face: Face, width: int) -> str:
    centre = (face.box[0] + face.box[2]) / 2 / width
    return (
        "on the left" if centre < 1 / 3 else "on the right" if centre > 2 / 3 else "in the middle"
    )


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def _none_usable(verdicts: Sequence[Verdict]) -> UserError:
    worst = [max(verdict.findings, key=lambda finding: finding.severity) for verdict in verdicts]
    if len(verdicts) == 1:
        cause = f"The photo {verdicts[0].path} can't be used: {worst[0].reason}."
    else:
        reasons = [
            f"{verdict.path.name}: {finding.reason}"
            for verdict, finding in zip(verdicts, worst, strict=True)
        ]
        cause = f"None of the {len(verdicts)} photos can be used ({'; '.join(reasons)})."
    return UserError(f"{cause} {worst[0].advice}")

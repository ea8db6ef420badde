# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of scanned people into the shards that `idto3d train` reads.

Each subject of people.csv is one person of the data set and one shard. The views, the four kinds
of picture and the embeddings from *other* pictures are as for synthetic people
(`training.dataset`); photos of the same people may take the place of those other pictures.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from idto3d.errors import UserError
from idto3d.head.template import Template
from idto3d.identity.encoders import Encoder, Finder, chip_of
from idto3d.identity.photos import read_photo
from idto3d.prior.captions import view_words
from idto3d.render.cameras import Cameras, orbit, sample_cameras
from idto3d.render.eight_bits import eight_bits
from idto3d.render.normals import supersampled
from idto3d.texture.hint_paint import hint_paint
from idto3d.texture.paint import Paint
from idto3d.training.dataset import DatasetSettings, merge, save_arrays, screen_points
from idto3d.training.nphm import (
    Scan,
    ScanMesh,
    colours_or_grey,
    placed,
    read_scan,
    shift_to_template,
)
from idto3d.training.nphm_tables import Subject, Tables
from idto3d.training.people import Person
from idto3d.training.views import Views, render_views

# Scanned skin has no measured roughness; between the paint's matte and moist.
ROUGHNESS = 0.5
PHOTO_NAMES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Recognition:
    """How a face becomes an embedding."""

    encoder: Encoder
    finder: Finder
    photos: Path | None = None  # SUBJECT/*.jpg of the same people, in place of rendered pictures


def build(
    output: Path, scans: Sequence[Scan], tables: Tables, template: Template,
    settings: DatasetSettings, recognition: Recognition, table: Sequence[dict],
) -> list[str]:  # fmt: skip
    """Write shards for all subjects of the tables; finished ones are kept.

    settings.views is the number of pictures a subject. Returns a sentence for each subject that
    was left out: without a named scan, or without a face that the encoder finds.
    """
    output.mkdir(parents=True, exist_ok=True)
    begun, left_out = time.monotonic(), []
    for place, subject in enumerate(tables.people):
        shard, embedded = (output / f"{kind}-{place:05d}.npz" for kind in ("shard", "people"))
        if shard.exists() and embedded.exists():
            continue
        try:
            own = _named(scans, subject, tables)
            meshes = _place(own, tables, template)
            random = np.random.default_rng([settings.seed, 2, subject.number])
            identity = embeddings(meshes, subject, settings, recognition, random)
        except UserError as error:
            left_out.append(f"Subject {subject.number:03d} is left out: {error}")
            continue
        names = [tables.expression(scan) or "" for scan in own]
        rows = render_subject(meshes, names, subject, template, settings, table, random)
        rows["person"] = np.full(settings.views, place, dtype=np.int32)
        save_arrays(
            embedded, {"person": np.array([place], dtype=np.int32), "embedding": identity[None]}
        )
        save_arrays(shard, rows)
        held_out = np.array([each.held_out for each in tables.people])
        merge(output, settings, list(table), held_out)
        rate = (place + 1) / (time.monotonic() - begun)
        print(f"{place + 1}/{len(tables.people)} people, {60 * rate:.1f} a minute", flush=True)
    return left_out


def _named(scans: Sequence[Scan], subject: Subject, tables: Tables) -> list[Scan]:
    """The subject's scans whose expression the table names."""
    own = [scan for scan in scans if scan.subject == subject.number]
    named = [scan for scan in own if tables.expression(scan)]
    if not named:
        raise UserError(f"none of the {len(own)} scans is named. Fill in expressions.csv.")
    return named


def _place(scans: Sequence[Scan], tables: Tables, template: Template) -> list[ScanMesh]:
    """All scans of a person moved alike: by the neutral one, else the first."""
    read = [read_scan(scan.path) for scan in scans]
    names = [tables.expression(scan) for scan in scans]
    reference = read[names.index("neutral") if "neutral" in names else 0]
    shift = shift_to_template(reference, template)
    return [placed(scan, shift) for scan in read]


def embeddings(
    meshes: Sequence[ScanMesh], subject: Subject, settings: DatasetSettings,
    recognition: Recognition, random: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """(E,D) float32 from photos of the subject, or from rendered ones near the front.

    Raises UserError when no face is found on any of them.
    """
    count = settings.embeddings
    if recognition.photos is not None:
        folder = recognition.photos / f"{subject.number:03d}"
        files = sorted(path for path in folder.glob("*") if path.suffix.lower() in PHOTO_NAMES)
        pictures = [read_photo(path).pixels for path in files]
    else:
        if all(mesh.colours is None for mesh in meshes):
            raise UserError(
                "its scans have no colours to be recognised by. Name a folder with --photos."
            )
        coloured = [mesh for mesh in meshes if mesh.colours is not None]
        pictures = [
            _photo(coloured[random.integers(len(coloured))], settings, random)
            for _ in range(3 * count)
        ]
    found = []
    for picture in pictures:
        _, faces = recognition.finder(picture)
        if faces:
            chip = chip_of(recognition.encoder, picture, faces[0])
            found.append(recognition.encoder.embed(chip[None])[0])
        if len(found) == count:
            break
    if not found:
        raise UserError(f"no face was found on {len(pictures)} pictures. Look at the scan.")
    return np.stack([found[index % len(found)] for index in range(count)]).astype(np.float32)


def _photo(mesh: ScanMesh, settings: DatasetSettings, random: np.random.Generator) -> np.ndarray:
    """(S,S,3) uint8: up to 35 degrees turned, random light."""
    yaw = torch.from_numpy(random.uniform(-35, 35, 1)).float()
    pitch = torch.from_numpy(random.uniform(-12, 12, 1)).float()
    cameras = orbit(yaw, pitch, 2.6, (0.0, 0.0, 0.05), 19.0)
    return eight_bits(render_scan(mesh, cameras, settings.embedding_size, random).photo)[0]


def render_scan(mesh: ScanMesh, cameras: Cameras, size: int, random: np.random.Generator) -> Views:
    """The pictures of one scan from B cameras. Its colours hold the scanner's even light."""
    count = len(mesh.vertices)
    person = Person(
        family="scan",
        neutral=mesh.vertices,
        bare=mesh.vertices,
        faces=mesh.faces,
        part=np.zeros(count, dtype=np.uint8),
        landmarks=np.zeros(68, dtype=np.int64),
        paint=Paint(
            colours_or_grey(mesh),
            np.full(count, ROUGHNESS, np.float32),
            np.zeros(count, np.float32),
            np.zeros(count, np.float32),
        ),
        occlusion=np.ones(count, np.float32),
        words={},
        coefficients=np.zeros(0, np.float32),
        displacement=lambda arkit: np.zeros_like(mesh.vertices),
    )
    vertices = torch.from_numpy(mesh.vertices).expand(len(cameras), -1, -1)
    return render_views(person, vertices.contiguous(), cameras, size, random)


def render_subject(
    meshes: Sequence[ScanMesh], names: Sequence[str], subject: Subject, template: Template,
    settings: DatasetSettings, table: Sequence[dict], random: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """All samples of one subject, without the person's number; scans share the views evenly."""
    generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
    cameras = sample_cameras(settings.views, generator)
    vocabulary = [row["name"] for row in table]
    chosen = np.arange(settings.views) % len(meshes)
    kinds = ("photo", "normal", "albedo", "hint", "painted")
    pictures = {
        kind: np.zeros((settings.views, settings.image_size, settings.image_size, 3), np.uint8)
        for kind in kinds
    }
    landmarks = np.zeros((settings.views, len(template.landmarks), 2), np.float32)
    paint = hint_paint(template)
    for index, mesh in enumerate(meshes):
        rows = np.flatnonzero(chosen == index)
        if not len(rows):
            continue
        some = cameras[torch.from_numpy(rows)]
        views = render_scan(mesh, some, settings.image_size, random)
        arkit = table[vocabulary.index(names[index])]["arkit"]
        hint = template.mean + template.expression(arkit)
        shown = (views.photo, views.normal, views.albedo, *supersampled(
            hint, template.faces, some, settings.image_size, paint
        ))  # fmt: skip
        for kind, images in zip(kinds, shown, strict=True):
            pictures[kind][rows] = eight_bits(images)
        marks = hint[template.landmarks].expand(len(rows), -1, -1)
        landmarks[rows] = screen_points(marks, some, settings.image_size)
    captions = [
        subject.caption(view_words(float(y), float(p), bool(c)), (random.random(4) < 0.75).tolist())
        for y, p, c in zip(cameras.yaw, cameras.pitch, cameras.close_up, strict=True)
    ]
    numbers = np.array([vocabulary.index(name) for name in names], dtype=np.int16)
    return {
        **pictures,
        "expression": numbers[chosen],
        "caption": np.array(captions, dtype="<U200"),
        "yaw": cameras.yaw.numpy(),
        "pitch": cameras.pitch.numpy(),
        "close_up": cameras.close_up.numpy(),
        "landmarks": landmarks,
    }

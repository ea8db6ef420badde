# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the finished heads of an evaluation against the people that they should be."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from idto3d.assets import ASSETS
from idto3d.evaluation import identity
from idto3d.evaluation.contact_sheet import Row
from idto3d.evaluation.geometry import FaceDistance, TrueFace
from idto3d.evaluation.held_out import (
    CEILING_STREAM,
    PHOTOS,
    PORTRAIT_STREAM,
    Case,
    comparison_embeddings,
    stream,
)
from idto3d.evaluation.portraits import (
    PaintedHead,
    even_light,
    generated_head,
    lights,
    take,
    true_head,
)
from idto3d.evaluation.scores import Score
from idto3d.head.stage_zero import load_stage_zero
from idto3d.head.template import Template
from idto3d.identity import open_encoder, person_from_photos
from idto3d.pictures import Finished
from idto3d.render.cameras import orbit
from idto3d.texture.paint import SKIN
from idto3d.training.people import People

SHEET_SIZE = 256  # pixels of a portrait before it is scaled to its cell
UNCOVERED = 0.05  # weight of hair below which skin is bare
CAPTIONS = (
    *(f"photo {number + 1}" for number in range(PHOTOS)),
    "generated",
    "generated, 45°",
    "true",
    "true, 45°",
)


def measure(
    cases: Sequence[Case], people: People, table: list[dict]
) -> tuple[list[Score], np.ndarray]:
    """Scores of the finished cases, and their similarity to the people of all cases (N,M)."""
    environments = lights()
    finished = [row for row, case in enumerate(cases) if case.finished]
    gallery = np.stack([comparison_embeddings(case.person, case.index, table) for case in cases])
    ceiling = np.stack(
        [
            identity.embed_head(
                true_head(case.person), environments, stream(case.index, CEILING_STREAM)
            )
            for case in cases
        ]
    )
    probes = np.stack(
        [
            identity.embed_head(
                _generated(cases[row], people.fine),
                environments,
                stream(cases[row].index, PORTRAIT_STREAM),
            )
            for row in finished
        ]
    )
    similarity = identity.similarities(probes, gallery)
    ranks = identity.ranks(similarity, np.array(finished))
    ceiling_ranks = identity.ranks(identity.similarities(ceiling, gallery), np.arange(len(cases)))
    scores = []
    for place, row in enumerate(finished):
        case = cases[row]
        template, stage_zero, generated = face_distances(case, people.fine)
        scores.append(
            Score(
                case.index,
                case.person.family,
                template,
                stage_zero,
                generated,
                int(ranks[place]),
                float(similarity[place, row]),
                int(ceiling_ranks[row]),
            )
        )
    return scores, similarity


def face_distances(case: Case, fine: Template) -> list[FaceDistance]:
    """Of the unshaped template, of stage 0, of the generated neutral head, to the true face."""
    person = case.person
    skin = (person.part == SKIN) & (person.paint.hair < UNCOVERED)
    truth = TrueFace(person.bare, person.faces, skin, person.landmarks)
    seen = person_from_photos(case.photos, open_encoder("dlib"))
    guess = load_stage_zero(ASSETS / "template" / "stage_zero.npz").guess(seen.embeddings)
    shapes = [
        fine.mean.numpy(),
        fine.neutral(guess.coefficients).numpy(),
        _generated(case, fine).vertices,
    ]
    landmarks = fine.landmarks.numpy()
    return [truth.distance(shape, fine.faces.numpy(), landmarks) for shape in shapes]


def sheet_rows(cases: Sequence[Case], scores: Sequence[Score], people: People) -> list[Row]:
    """A row of the contact sheet for each score, pictures in the order of CAPTIONS."""
    known = {case.index: case for case in cases}
    rows = []
    light = [even_light()] * 2
    cameras = orbit(torch.tensor([0.0, 45.0]), 0.0, 2.6, (0.0, 0.0, 0.0), 20.0)
    for score in scores:
        case = known[score.person]
        heads = (_generated(case, people.fine), true_head(case.person))
        portraits = np.concatenate([take(head, cameras, light, SHEET_SIZE) for head in heads])
        photos = [np.asarray(Image.open(photo).convert("RGB")) for photo in case.photos]
        heading = (
            f"Person {score.person} ({score.family}): template {score.template.mean:.2f} mm, "
            f"stage 0 {score.stage_zero.mean:.2f} mm, generated {score.generated.mean:.2f} mm, "
            f"rank {score.rank}"
        )
        rows.append(Row(heading, [*photos, *portraits]))
    return rows


def _generated(case: Case, fine: Template) -> PaintedHead:
    return generated_head(Finished.load(case.job.result / "surface.npz"), fine)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the finished heads of an evaluation against the people that they should be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from idto3d.errors import UserError
from idto3d.evaluation import identity
from idto3d.evaluation import standing as standings
from idto3d.evaluation.contact_sheet import Row
from idto3d.evaluation.finished_head import finished_heads
from idto3d.evaluation.held_out import PHOTOS, Case
from idto3d.evaluation.observation import Observation, Surfaces, Truth
from idto3d.evaluation.observe import Bench, observation, truth
from idto3d.evaluation.portraits import even_light, for_sheet, true_head
from idto3d.evaluation.scores import Group, Place, Score
from idto3d.pictures import Finished
from idto3d.training.people import People

CAPTIONS = (
    *(f"photo {number + 1}" for number in range(PHOTOS)),
    "generated",
    "generated, 45°",
    "true",
    "true, 45°",
)


@dataclass(frozen=True)
class Measured:
    """N finished heads among M people."""

    scores: list[Score]
    groups: dict[str, Group]  # by judge
    similarity: np.ndarray  # (N,M) by dlib


def measure(cases: Sequence[Case], tools: Bench) -> Measured:
    """Of the finished cases, among the people of all cases; what is kept isn't measured again.

    A head that can't be read is left out with a sentence. Raises UserError when fewer than two are
    left.
    """
    truths = [truth(case, tools) for case in cases]
    finished, seen = [], []
    for row, case in enumerate(cases):
        if case.finished:
            try:
                seen.append(observation(case, tools))
                finished.append(row)
            except UserError as error:
                print(f"Person {case.index} is left out: {error}", flush=True)
    if len(finished) < 2:
        raise UserError("Fewer than two heads can be measured. Generate more, then report again.")
    right = np.array(finished)
    groups = {
        judge.name: group(judge.name, judge.optimised_with, truths, seen, right)
        for judge in tools.judges
    }
    places = {judge.name: _places(judge.name, truths, seen, right) for judge in tools.judges}
    scores = [
        score(cases[row], truths[row], seen[place], {name: p[place] for name, p in places.items()})
        for place, row in enumerate(finished)
    ]
    return Measured(scores, groups, _similarity("dlib", truths, seen))


def group(
    judge: str, optimised_with: bool, truths: Sequence[Truth], seen: Sequence[Observation],
    right: np.ndarray,
) -> Group:  # fmt: skip
    """Identity of all heads by one judge; right (N,) says which of the people each head is."""
    gallery = np.stack([each.gallery[judge] for each in truths])
    everyone = np.arange(len(truths))
    return Group(
        optimised_with,
        standings.standing(np.stack([each.sides[judge] for each in seen]), gallery, right),
        standings.standing(np.stack([each.sides[judge] for each in truths]), gallery, everyone),
        standings.by_pose(np.stack([each.poses[judge] for each in seen]), gallery, right),
        standings.by_pose(np.stack([each.poses[judge] for each in truths]), gallery, everyone),
        standings.by_expression(
            [each.posed[judge] for each in seen],
            [each.expressions for each in seen],
            gallery,
            right,
        ),
    )


def score(case: Case, known: Truth, seen: Observation, places: dict[str, Place]) -> Score:
    """One synthetic person's row."""
    template, stage_zero, generated = (
        _known(value) for value in (seen.template, seen.stage_zero, seen.generated)
    )
    assert seen.albedo and seen.first_albedo and known.baked_light  # of every synthetic person
    return Score(
        case.index,
        case.person.family,
        template.face,
        stage_zero.face,
        generated.face,
        template.face_apart_from_size,
        stage_zero.face_apart_from_size,
        generated.face_apart_from_size,
        template.head,
        stage_zero.head,
        generated.head,
        seen.albedo,
        seen.first_albedo,
        seen.baked_light,
        known.baked_light,
        places,
        seen.recognised,
    )


def sheet_rows(cases: Sequence[Case], scores: Sequence[Score], people: People) -> list[Row]:
    """A row of the contact sheet for each score, pictures in the order of CAPTIONS."""
    known = {case.index: case for case in cases}
    rows = []
    light = even_light()
    for each in scores:
        case = known[each.person]
        finished = Finished.load(case.job.result / "surface.npz")
        generated = finished_heads(case.job.result, finished, people.fine)[0]
        heads = (generated, true_head(case.person))
        portraits = np.concatenate([for_sheet(head, light) for head in heads])
        photos = [np.asarray(Image.open(photo).convert("RGB")) for photo in case.photos]
        ranks = ", ".join(f"{judge} {place.rank}" for judge, place in each.places.items())
        heading = (
            f"Person {each.person} ({each.family}): template {each.template.median:.2f} mm, "
            f"stage 0 {each.stage_zero.median:.2f} mm, generated {each.generated.median:.2f} mm, "
            f"albedo {each.albedo.plain:.1f}, rank {ranks}"
        )
        blank = [np.full((8, 8, 3), 250, np.uint8)] * (PHOTOS - len(photos))
        rows.append(Row(heading, [*photos, *blank, *portraits]))
    return rows


def _places(
    judge: str, truths: Sequence[Truth], seen: Sequence[Observation], right: np.ndarray
) -> list[Place]:
    similarity = _similarity(judge, truths, seen)
    gallery = np.stack([each.gallery[judge] for each in truths])
    perfect = identity.similarities(np.stack([each.sides[judge] for each in truths]), gallery)
    ceiling = identity.ranks(perfect, np.arange(len(truths)))
    ranks = identity.ranks(similarity, right)
    return [
        Place(int(ranks[place]), float(similarity[place, row]), int(ceiling[row]))
        for place, row in enumerate(right)
    ]


def _similarity(judge: str, truths: Sequence[Truth], seen: Sequence[Observation]) -> np.ndarray:
    gallery = np.stack([each.gallery[judge] for each in truths])
    return identity.similarities(np.stack([each.sides[judge] for each in seen]), gallery)


def _known(surfaces: Surfaces | None) -> Surfaces:
    assert surfaces is not None  # of every synthetic person
    return surfaces

# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a likeness evaluation: one row for each person, counts, a table, JSON."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idto3d.evaluation.geometry import FaceDistance

VERSION = 1
HEADER = ("person", "family", "template mm", "stage 0 mm", "generated mm", "rank", "similarity")


@dataclass(frozen=True)
class Score:
    """One person's likeness. Distances are over the face, after rigid alignment."""

    person: int  # number in the population
    family: str  # "anny" or "ict"
    template: FaceDistance  # the unshaped mean template
    stage_zero: FaceDistance  # the template shaped to the embedding
    generated: FaceDistance
    rank: int  # place of the right person among all, 1 the best
    similarity: float  # centred cosine to the right person
    ceiling_rank: int  # of portraits of the true head, drawn in the same way


@dataclass(frozen=True)
class Counts:
    """Of how many people it is true."""

    people: int
    closer_than_template: int
    closer_than_stage_zero: int
    rank_one: int
    ceiling_rank_one: int  # what the recogniser makes of the true heads themselves


def count(scores: Sequence[Score]) -> Counts:
    """For how many people the generated head is closer, and recognised."""
    return Counts(
        len(scores),
        sum(score.generated.mean < score.template.mean for score in scores),
        sum(score.generated.mean < score.stage_zero.mean for score in scores),
        sum(score.rank == 1 for score in scores),
        sum(score.ceiling_rank == 1 for score in scores),
    )


def table(scores: Sequence[Score]) -> str:
    """Aligned columns with the means below, and the counts in words."""
    rows: list[tuple[str, ...]] = [HEADER]
    for score in scores:
        distances = (score.template, score.stage_zero, score.generated)
        rows.append(
            (
                str(score.person),
                score.family,
                *(f"{distance.mean:.2f}" for distance in distances),
                str(score.rank),
                f"{score.similarity:.2f}",
            )
        )
    means = _means(scores)
    rows.append(("mean", "", *(f"{value:.2f}" for value in means.values()), "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    counts = count(scores)
    return "\n".join(
        [
            *lines,
            f"closer than the unshaped template for {counts.closer_than_template}"
            f" of {counts.people}",
            f"closer than stage 0 for {counts.closer_than_stage_zero} of {counts.people}",
            f"rank 1 for {counts.rank_one} of {counts.people}"
            f" (portraits of the true heads: {counts.ceiling_rank_one})",
        ]
    )


def to_json(scores: Sequence[Score], similarity: np.ndarray, settings: dict[str, Any]) -> str:
    """The text of `likeness.json`.

    similarity (N,M): each generated head against every person; settings: what it was made with.
    """
    return json.dumps(
        {
            "version": VERSION,
            "settings": settings,
            "people": [dataclasses.asdict(score) for score in scores],
            "mean_mm": _means(scores),
            "counts": dataclasses.asdict(count(scores)),
            "similarity": np.round(similarity, 4).tolist(),
        },
        indent=1,
    )


def _means(scores: Sequence[Score]) -> dict[str, float]:
    return {
        name: float(np.mean([getattr(score, name).mean for score in scores]))
        for name in ("template", "stage_zero", "generated")
    }

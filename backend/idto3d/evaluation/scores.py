# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a likeness evaluation: one row for each person, the group's, a table, JSON."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idto3d.evaluation.albedo import AlbedoError
from idto3d.evaluation.baked_light import BakedLight
from idto3d.evaluation.expression import Recognised
from idto3d.evaluation.geometry import FaceDistance
from idto3d.evaluation.probes import POSES
from idto3d.evaluation.standing import Kept, Standing

VERSION = 3
SHAPES = ("template", "stage_zero", "generated")
MEANS = (*SHAPES, "apart_from_size_generated", "head_generated")  # of the table's last rows


@dataclass(frozen=True)
class Place:
    """One head among all people, by one judge."""

    rank: int  # place of the right person among all, 1 the best
    similarity: float  # centred cosine to the right person
    ceiling_rank: int  # of portraits of the true head, drawn in the same way


@dataclass(frozen=True)
class Score:
    """One person's likeness. Distances are after rigid alignment of the face."""

    person: int  # number in the population
    family: str  # "anny" or "ict"
    template: FaceDistance  # over the face, of the unshaped mean template
    stage_zero: FaceDistance  # of the template shaped to the embedding
    generated: FaceDistance
    apart_from_size_template: FaceDistance  # over the face, each scaled to fit best
    apart_from_size_stage_zero: FaceDistance
    apart_from_size_generated: FaceDistance
    head_template: FaceDistance  # over the whole head, hair included
    head_stage_zero: FaceDistance
    head_generated: FaceDistance
    albedo: AlbedoError
    one_tone: AlbedoError  # of the photographs' skin tone all over: what colours are to beat
    baked_light: BakedLight
    true_baked_light: BakedLight
    places: dict[str, Place]  # by judge
    recognised: tuple[Recognised, ...]


@dataclass(frozen=True)
class Group:
    """Identity of all heads, by one judge."""

    optimised_with: bool
    overall: Standing
    ceiling: Standing  # of the true heads themselves
    poses: list[Standing]  # in the order of POSES
    ceiling_poses: list[Standing]
    expressions: dict[str, Kept]


@dataclass(frozen=True)
class Counts:
    """Of how many people it is true, by means over the face and by the first judge."""

    people: int
    closer_than_template: int
    closer_than_stage_zero: int
    rank_one: int
    ceiling_rank_one: int  # what the recogniser makes of the true heads themselves


def count(scores: Sequence[Score]) -> Counts:
    """For how many people the generated head is closer, and recognised by dlib."""
    return Counts(
        len(scores),
        sum(score.generated.mean < score.template.mean for score in scores),
        sum(score.generated.mean < score.stage_zero.mean for score in scores),
        sum(score.places["dlib"].rank == 1 for score in scores),
        sum(score.places["dlib"].ceiling_rank == 1 for score in scores),
    )


def table(scores: Sequence[Score], groups: dict[str, Group]) -> str:
    """Aligned columns with the means below, identity by pose and expression, counts in words."""
    judges = list(groups)
    header = (
        "person", "family", "template mm", "stage 0 mm", "generated mm",
        "at any size mm", "head mm", "albedo dE", "baked", *(f"rank {judge}" for judge in judges),
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [header]
    for score in scores:
        rows.append(
            (
                str(score.person),
                score.family,
                *(_distance(getattr(score, name)) for name in SHAPES),
                _distance(score.apart_from_size_generated),
                _distance(score.head_generated),
                f"{score.albedo.plain:.1f}",
                f"{score.baked_light.difference:.2f}",
                *(str(score.places[judge].rank) for judge in judges),
            )
        )
    families = sorted({score.family for score in scores})
    groups_of = [(family, [s for s in scores if s.family == family]) for family in families]
    for family, of_family in [("", scores), *(groups_of if len(families) > 1 else [])]:
        rows.append(
            (
                "mean",
                family,
                *(_mean_distance(of_family, name) for name in MEANS),
                f"{np.mean([score.albedo.plain for score in of_family]):.1f}",
                f"{np.mean([score.baked_light.difference for score in of_family]):.2f}",
                *("" for _ in judges),
            )
        )
    return "\n".join(
        [
            "Distances are medians over the surface, with means in brackets.",
            *aligned(rows),
            "",
            *_in_words(scores, groups),
            "",
            *_poses(groups),
            *_expressions(scores, groups),
        ]
    )


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of right-aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def to_json(
    scores: Sequence[Score], groups: dict[str, Group], similarity: np.ndarray,
    settings: dict[str, Any], aims: Sequence[Any] = (),
) -> str:  # fmt: skip
    """The text of `likeness.json`.

    aims: dataclasses of what is to be reached (`bars`).

    similarity (N,M): each generated head against every person, by dlib; settings: what it was made
    with. Numbers that are none (a share of nothing) are null.
    """
    parts = ("", "apart_from_size_", "head_")
    names = [f"{part}{name}" for part in parts for name in SHAPES]
    content = {
        "version": VERSION,
        "settings": settings,
        "poses": list(POSES),
        "people": [dataclasses.asdict(score) for score in scores],
        "mean_mm": {name: _mean(scores, name, "mean") for name in names},
        "median_mm": {name: _mean(scores, name, "median") for name in names},
        "albedo_delta_e": _colours(scores),
        "baked_light_stops": {
            "generated": float(np.mean([score.baked_light.difference for score in scores])),
            "true": float(np.mean([score.true_baked_light.difference for score in scores])),
        },
        "expressions_recognised": recognised_share(scores),
        "identity": {judge: dataclasses.asdict(group) for judge, group in groups.items()},
        "counts": dataclasses.asdict(count(scores)),
        "bars": [dataclasses.asdict(aim) | {"reached": bool(aim.reached)} for aim in aims],
        "similarity": np.round(similarity, 4).tolist(),
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False)


def recognised_share(scores: Sequence[Score]) -> dict[str, float] | None:
    """Of all expressions asked of all heads, how many are recognised; None where none was."""
    rows = [row for score in scores for row in score.recognised]
    if not rows:
        return None
    return {
        "by_landmarks": float(np.mean([row.by_landmarks == row.asked for row in rows])),
        "by_normals": float(np.mean([row.by_normals == row.asked for row in rows])),
        "strength": float(np.mean([row.strength for row in rows])),
    }


def _in_words(scores: Sequence[Score], groups: dict[str, Group]) -> list[str]:
    counts = count(scores)
    median = {name: _mean(scores, name, "median") for name in SHAPES}
    shape = {name: _mean(scores, f"apart_from_size_{name}", "median") for name in SHAPES}
    colours = _colours(scores)
    true_baked = np.mean([score.true_baked_light.difference for score in scores])
    lines = [
        f"closer than the unshaped template for {counts.closer_than_template} of {counts.people}",
        f"closer than stage 0 for {counts.closer_than_stage_zero} of {counts.people}",
        f"median face error {median['generated'] / median['template']:.2f} of the unshaped"
        f" template's, {median['generated'] / median['stage_zero']:.2f} of stage 0's",
        f"each scaled to fit best, for photographs don't tell sizes: {shape['generated']:.2f} mm,"
        f" {shape['generated'] / shape['template']:.2f} of the unshaped template's"
        f" {shape['template']:.2f}, {shape['generated'] / shape['stage_zero']:.2f} of stage 0's",
        f"albedo error {colours['generated']:.1f}, {colours['generated_scaled']:.1f} but for"
        f" brightness; of one skin tone all over {colours['one_tone']:.1f}",
        f"left and right albedo differ by {true_baked:.2f} stops on the true heads",
    ]
    for judge, group in groups.items():
        right = sum(score.places[judge].rank == 1 for score in scores)
        perfect = sum(score.places[judge].ceiling_rank == 1 for score in scores)
        kind = "the heads are made with it" if group.optimised_with else "nothing is made with it"
        lines.append(
            f"rank 1 for {right} of {counts.people} by {judge} ({kind}); portraits of the true"
            f" heads: {perfect}; centred similarity {group.overall.similarity:.2f}"
        )
    return lines


def _poses(groups: dict[str, Group]) -> list[str]:
    rows: list[tuple[str, ...]] = [("yaw", *(str(yaw) for yaw in POSES))]
    for judge, group in groups.items():
        for name, standings in (("", group.poses), (", true heads", group.ceiling_poses)):
            rows.append(
                (f"rank 1, {judge}{name}", *(f"{100 * s.rank_one:.0f}%" for s in standings))
            )
            rows.append((f"similarity, {judge}{name}", *(f"{s.similarity:.2f}" for s in standings)))
    return aligned(rows)


def _expressions(scores: Sequence[Score], groups: dict[str, Group]) -> list[str]:
    share = recognised_share(scores)
    if share is None:
        return ["", "no expressions were generated: see --expressions"]
    names = [name for name in next(iter(groups.values())).expressions if name != "neutral"]
    rows: list[tuple[str, ...]] = [
        ("expression", "landmarks", "normals", "strength", *(f"kept, {judge}" for judge in groups))
    ]
    for name in names:
        of_name = [row for score in scores for row in score.recognised if row.asked == name]
        rows.append(
            (
                name,
                f"{100 * np.mean([row.by_landmarks == name for row in of_name]):.0f}%",
                f"{100 * np.mean([row.by_normals == name for row in of_name]):.0f}%",
                f"{np.mean([row.strength for row in of_name]):.2f}",
                *(f"{group.expressions[name].share:.2f}" for group in groups.values()),
            )
        )
    return [
        "",
        f"the asked expression is recognised in {100 * share['by_landmarks']:.0f} % of cases by"
        f" landmarks, {100 * share['by_normals']:.0f} % by normals",
        *aligned(rows),
    ]


def _colours(scores: Sequence[Score]) -> dict[str, float]:
    return {
        "generated": float(np.mean([score.albedo.plain for score in scores])),
        "generated_scaled": float(np.mean([score.albedo.scaled for score in scores])),
        "one_tone": float(np.mean([score.one_tone.plain for score in scores])),
        "one_tone_scaled": float(np.mean([score.one_tone.scaled for score in scores])),
    }


def _distance(distance: FaceDistance) -> str:
    return f"{distance.median:.2f} ({distance.mean:.2f})"


def _mean(scores: Sequence[Score], name: str, which: str) -> float:
    return float(np.mean([getattr(getattr(score, name), which) for score in scores]))


def _mean_distance(scores: Sequence[Score], name: str) -> str:
    return f"{_mean(scores, name, 'median'):.2f} ({_mean(scores, name, 'mean'):.2f})"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

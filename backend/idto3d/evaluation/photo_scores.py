# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of heads beside photographs of people who have no true head: table, JSON, plot."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idto3d.evaluation.identity import ranks, similarities
from idto3d.evaluation.plots import new_figure
from idto3d.evaluation.probes import POSES
from idto3d.evaluation.scores import aligned

VERSION = 1
ALONE = (
    "There is one head only: similarities are plain cosines, in which all that faces and pictures\n"
    "share counts as well, and nobody can be ranked. Two people or more tell more."
)


@dataclass(frozen=True)
class Places:
    """N heads, or the photographs in their place, among M people."""

    similarity: np.ndarray  # (N,) cosine to the right person, centred where there are two heads
    rank: np.ndarray  # (N,) place of the right person among the M, 1 the best

    @property
    def rank_one(self) -> float:
        """Share of those whose most similar person is the right one."""
        return float((self.rank == 1).mean())


@dataclass(frozen=True)
class Judged:
    """What one judge says."""

    optimised_with: bool
    heads: Places  # all poses of a head taken together
    poses: list[Places]  # in the order of POSES
    photos: Places  # the photographs that heads were made from: what a perfect head would reach


@dataclass(frozen=True)
class Sitting:
    """A person whose head was measured."""

    name: str
    made_from: tuple[str, ...]  # names of files
    held_back: tuple[str, ...]


def compare(
    poses: np.ndarray, photos: np.ndarray, held_back: np.ndarray, right: np.ndarray,
    optimised_with: bool,
) -> Judged:  # fmt: skip
    """Embeddings of N heads (N,len(POSES),D) and of the photographs of M people.

    photos: means (M,D) of what each person's head is made from; held_back: means (M,D) of the
    others; right: (N,) says who of the M each head is. Each set is centred on its own mean (see
    `identity`), those of one pose too; one head alone isn't.
    """
    everyone = np.arange(len(photos))

    def places(probes: np.ndarray, who: np.ndarray) -> Places:
        similarity = similarities(probes, held_back[:, None], centred=len(right) > 1)
        return Places(similarity[np.arange(len(who)), who], ranks(similarity, who))

    own = places(photos[:, None], everyone)
    return Judged(
        optimised_with,
        places(poses, right),
        [places(poses[:, [row]], right) for row in range(len(POSES))],
        Places(own.similarity[right], own.rank[right]),
    )


def table(sittings: Sequence[Sitting], judged: dict[str, Judged], people: int) -> str:
    """Aligned columns with the means below, recognition in words, identity by pose."""
    several = len(sittings) > 1
    columns = ("own photos", *(("rank", "own photos") if several else ()))
    headings = [word for name in judged for word in (f"similarity, {name}", *columns)]
    rows: list[tuple[str, ...]] = [("person", "photos", "held back", *headings)]
    for row, each in enumerate(sittings):
        cells = []
        for judge in judged.values():
            cells += [f"{places.similarity[row]:.2f}" for places in (judge.heads, judge.photos)]
            if several:
                cells += [str(places.rank[row]) for places in (judge.heads, judge.photos)]
        rows.append((each.name, str(len(each.made_from)), str(len(each.held_back)), *cells))
    if several:
        means = []
        for judge in judged.values():
            means += [f"{places.similarity.mean():.2f}" for places in (judge.heads, judge.photos)]
            means += [f"{places.rank.mean():.1f}" for places in (judge.heads, judge.photos)]
        rows.append(("mean", "", "", *means))
    count = "1 head" if len(sittings) == 1 else f"{len(sittings)} heads"
    among = f"{count} among {people} {'person' if people == 1 else 'people'},"
    return "\n".join(
        [
            f"{among} seen from {len(POSES)} sides, beside photographs that no head was made from.",
            *([] if several else [ALONE]),
            *aligned(rows),
            "",
            *(_in_words(judged) if several else []),
            *_by_pose(judged, several),
        ]
    )


def to_json(
    sittings: Sequence[Sitting], judged: dict[str, Judged], people: int, settings: dict[str, Any]
) -> str:
    """The text of `photos.json`; ranks are null for a single head."""
    several = len(sittings) > 1

    def numbers(places: Places, row: int) -> dict[str, Any]:
        rank = int(places.rank[row]) if several else None
        return {"similarity": float(places.similarity[row]), "rank": rank}

    def means(places: Places) -> dict[str, Any]:
        rank_one = places.rank_one if several else None
        return {"similarity": float(places.similarity.mean()), "rank_one": rank_one}

    content = {
        "version": VERSION,
        "settings": settings,
        "people": people,
        "centred": several,
        "poses": list(POSES),
        "heads": [
            {
                "name": each.name,
                "made_from": each.made_from,
                "held_back": each.held_back,
                "identity": {
                    name: numbers(judge.heads, row)
                    | {"own_photos": numbers(judge.photos, row)}
                    | {"poses": [numbers(places, row) for places in judge.poses]}
                    for name, judge in judged.items()
                },
            }
            for row, each in enumerate(sittings)
        ],
        "identity": {
            name: {"optimised_with": judge.optimised_with}
            | means(judge.heads)
            | {"own_photos": means(judge.photos)}
            | {"poses": [means(places) for places in judge.poses]}
            for name, judge in judged.items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plot(judged: dict[str, Judged], several: bool) -> Any:
    """Similarity and, of several heads, rank 1 against yaw; dashed, their own photographs."""
    figure = new_figure(10 if several else 5, 4)
    for column in range(2 if several else 1):
        axes = figure.add_subplot(1, 2 if several else 1, column + 1)
        for index, (name, judge) in enumerate(judged.items()):
            values = [p.rank_one if column else p.similarity.mean() for p in judge.poses]
            own = judge.photos.rank_one if column else judge.photos.similarity.mean()
            axes.plot(POSES, values, "o-", color=f"C{index}", label=name)
            axes.axhline(own, color=f"C{index}", linestyle="--", label=f"{name}, own photographs")
        title = "rank 1" if column else "centred similarity" if several else "similarity"
        axes.set(title=title, xlabel="yaw, degrees", xticks=POSES)
        if column:
            axes.set_ylim(-0.02, 1.02)
        axes.legend(fontsize=8)
    return figure


def _in_words(judged: dict[str, Judged]) -> list[str]:
    lines = []
    for name, judge in judged.items():
        right, own = (int((p.rank == 1).sum()) for p in (judge.heads, judge.photos))
        kind = "the heads are made with it" if judge.optimised_with else "nothing is made with it"
        lines.append(
            f"rank 1 for {right} of {len(judge.heads.rank)} by {name} ({kind}); "
            f"their own photographs: {own}; "
            f"centred similarity {judge.heads.similarity.mean():.2f}"
        )
    return [*lines, ""]


def _by_pose(judged: dict[str, Judged], several: bool) -> list[str]:
    rows: list[tuple[str, ...]] = [("yaw", *(str(yaw) for yaw in POSES))]
    for name, judge in judged.items():
        if several:
            rows.append((f"rank 1, {name}", *(f"{100 * p.rank_one:.0f}%" for p in judge.poses)))
        rows.append((f"similarity, {name}", *(f"{p.similarity.mean():.2f}" for p in judge.poses)))
    return aligned(rows)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at finished heads, compare them with photographs held back, write the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.asset.files import make_folder, write_whole
from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.evaluation import photo_scores, plots
from idto3d.evaluation.contact_sheet import Row, write_contact_sheet
from idto3d.evaluation.finished_head import finished_heads
from idto3d.evaluation.judges import Judge
from idto3d.evaluation.own_people import HELD_BACK, made_from
from idto3d.evaluation.photo_scores import Judged, compare
from idto3d.evaluation.photos import OwnHead
from idto3d.evaluation.portraits import even_light, for_sheet, lights
from idto3d.evaluation.probes import by_pose
from idto3d.head.template import load_template
from idto3d.pictures import Finished

CAPTIONS = ("held back", "head", "head, 45°")
SEED = 424242  # of the lights that heads are seen under


@dataclass(frozen=True)
class Seen:
    """Pictures of a finished head."""

    row: int  # of the person among all
    poses: dict[str, np.ndarray]  # judge -> (len(POSES),D)
    portraits: np.ndarray  # (2,S,S,3) uint8, for the contact sheet


def look(heads: Sequence[OwnHead], judges: Sequence[Judge]) -> list[Seen]:
    """At all finished heads; one that can't be read is left out with a sentence.

    The lights are drawn by name, so that a head is seen alike whoever joins the others.
    """
    fine = load_template(ASSETS / "template" / "head.npz").subdivided()
    environments, even = lights(), even_light()
    found = []
    for row, head in enumerate(heads):
        try:
            if not head.finished:
                continue
            print(f"Measuring {head.name}", flush=True)
            surface = Finished.load(head.job.result / "surface.npz")
            neutral = finished_heads(head.job.result, surface, fine)[0]
        except UserError as error:
            print(f"{head.name} is left out: {error}", flush=True)
            continue
        random = np.random.default_rng([SEED, *head.name.encode()])
        poses = by_pose(neutral, environments, random, judges)
        found.append(Seen(row, poses, for_sheet(neutral, even)))
    return found


def judge_all(
    heads: Sequence[OwnHead], seen: Sequence[Seen], judges: Sequence[Judge], chosen: slice
) -> dict[str, Judged]:
    """By judge; the heads that were seen, among the people of all. chosen: of their photographs,
    those that heads are made from."""

    def means(judge: str, which: slice) -> np.ndarray:
        return np.stack([head.person.embeddings[judge][which].mean(axis=0) for head in heads])

    return {
        judge.name: compare(
            np.stack([each.poses[judge.name] for each in seen]),
            means(judge.name, chosen),
            means(judge.name, HELD_BACK),
            np.array([each.row for each in seen]),
            judge.optimised_with,
        )
        for judge in judges
    }


def write_report(
    output: Path, heads: Sequence[OwnHead], judges: Sequence[Judge], settings: dict[str, Any]
) -> None:
    """Tables, plot and sheet of the finished heads. Raises UserError where there is none."""
    seen = look(heads, judges)
    if not seen:
        raise UserError(
            f"None of the {len(heads)} heads in {output} is finished. "
            "Leave out --report-only to generate them."
        )
    judged = judge_all(heads, seen, judges, made_from(settings["photos"]))
    sittings = [
        photo_scores.Sitting(
            heads[each.row].name,
            tuple(photo.name for photo in heads[each.row].photos),
            tuple(photo.name for photo in heads[each.row].person.photos[HELD_BACK]),
        )
        for each in seen
    ]
    text = photo_scores.table(sittings, judged, len(heads))
    figures = photo_scores.to_json(sittings, judged, len(heads), settings)
    write_whole(output / "photos.json", figures.encode())
    write_whole(output / "photos.txt", (text + "\n").encode())
    rows = [
        Row(_heading(sitting.name, place, judged), [heads[each.row].person.face, *each.portraits])
        for place, (each, sitting) in enumerate(zip(seen, sittings, strict=True))
    ]
    write_contact_sheet(output / "photos.png", CAPTIONS, rows)
    print(text)
    if plots.can_plot():
        make_folder(output / "plots")
        figure = photo_scores.plot(judged, several=len(seen) > 1)
        plots.write_figure(output / "plots" / "pose.png", figure)
    else:
        print(plots.MISSING)
    print(f"{output}: photos.json, photos.txt, photos.png")


def _heading(name: str, place: int, judged: dict[str, Judged]) -> str:
    if len(next(iter(judged.values())).heads.rank) == 1:
        return name
    ranks = (f"{judge} {each.heads.rank[place]}" for judge, each in judged.items())
    return f"{name}: rank {', '.join(ranks)}"

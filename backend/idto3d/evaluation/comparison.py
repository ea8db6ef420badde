# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d evaluate compare`: finished evaluations of the same people side by side.

So the paper's Fig. 4, one photograph against five (`--photos 1`), and its Fig. 3, a fixed light
against random ones (`--set texture.environments=1 --set texture.light_spread=0`): make each with
`idto3d evaluate likeness --output …`, then compare the folders. Only people whose heads are
finished in all of them count.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d.asset.files import make_folder, write_whole
from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.evaluation.contact_sheet import Row, write_contact_sheet
from idto3d.evaluation.plots import MISSING, can_plot, new_figure, write_figure
from idto3d.evaluation.scores import aligned

if TYPE_CHECKING:
    from idto3d.evaluation.held_out import Case
    from idto3d.evaluation.measure import Measured
    from idto3d.evaluation.scores import Score
    from idto3d.training.people import People


@dataclass(frozen=True)
class Figure:
    """One number of each person."""

    name: str
    of: "Callable[[Score], float]"
    more_is_better: bool = False


def figures(judges: Sequence[str]) -> list[Figure]:
    """What is compared person by person."""
    return [
        Figure("median face error, mm", lambda score: score.generated.median),
        Figure("whole head, mm", lambda score: score.head_generated.median),
        Figure("albedo error, dE", lambda score: score.albedo.plain),
        Figure("the same but for brightness", lambda score: score.albedo.scaled),
        Figure("baked light, stops", lambda score: score.baked_light.difference),
        *(Figure(f"similarity, {judge}", _similarity(judge), True) for judge in judges),
    ]


def _similarity(judge: str) -> "Callable[[Score], float]":
    return lambda score: score.places[judge].similarity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate compare`."""
    add = parser.add_argument
    add("folders", type=Path, nargs="+", metavar="DIR", help="of `idto3d evaluate likeness`")
    add("--names", default="", metavar="A,B,...", help="what to call them; else the folders' names")
    add("--output", type=Path, required=True, metavar="DIR", help="folder of tables and pictures")
    add("--ict", type=Path, metavar="DIR", help="as the evaluations were made with")


def run(arguments: argparse.Namespace) -> int:
    """Compare; prints the table. Raises UserError for bad input."""
    names = [name.strip() for name in arguments.names.split(",") if name.strip()]
    names = names or [folder.name for folder in arguments.folders]
    if len(arguments.folders) < 2 or len(names) != len(arguments.folders):
        raise UserError("Give two folders or more, and as many --names or none.")
    numbers = common_people(arguments.folders)
    settings = [_settings(folder) for folder in arguments.folders]
    if any(each["ict"] != (arguments.ict is not None) for each in settings):
        raise UserError(
            "These people were made otherwise. Give --ict as the evaluations were given it."
        )
    from idto3d.evaluation.held_out import SEED, case
    from idto3d.evaluation.judges import judges
    from idto3d.evaluation.measure import measure
    from idto3d.evaluation.observe import bench
    from idto3d.head.template import load_template
    from idto3d.training.dataset import expression_table
    from idto3d.training.people import People

    table = expression_table(ASSETS / "expressions.json")
    people = People(load_template(ASSETS / "template" / "head.npz"), arguments.ict)
    tools = bench(people, table, judges())
    persons = {number: people.person(SEED, number) for number in numbers}
    sets = []
    for folder, each in zip(arguments.folders, settings, strict=True):
        roots = {number: folder / f"person-{number:02d}" for number in numbers}
        sets.append([case(roots[n], persons[n], n, each.get("photos", 5)) for n in numbers])
    found = [measure(cases, tools) for cases in sets]
    compared = figures([judge.name for judge in tools.judges])
    text = as_text(names, found, compared)
    make_folder(arguments.output)
    content = {
        "people": numbers,
        "settings": dict(zip(names, settings, strict=True)),
        "figures": {
            each.name: {
                name: [each.of(score) for score in measured.scores]
                for name, measured in zip(names, found, strict=True)
            }
            for each in compared
        },
        "rank_one": {name: _recognition(m) for name, m in zip(names, found, strict=True)},
    }
    write_whole(
        arguments.output / "comparison.json", (json.dumps(content, indent=1) + "\n").encode()
    )
    write_whole(arguments.output / "comparison.txt", (text + "\n").encode())
    captions = ["photo 1", *(f"{name}{side}" for name in names for side in ("", ", 45°")),
                "true", "true, 45°"]  # fmt: skip
    write_contact_sheet(
        arguments.output / "comparison.png", captions, _sheet(names, sets, found, people)
    )
    print(text)
    if can_plot():
        write_figure(arguments.output / "figures.png", draw(names, found, compared))
    else:
        print(MISSING)
    return 0


def common_people(folders: Sequence[Path]) -> list[int]:
    """Numbers of the people whose heads are finished in all folders. Raises UserError."""
    from idto3d.job.protocol import JobFolder

    finished = []
    for folder in folders:
        roots = [root for root in folder.glob("person-*") if JobFolder(root / "job").head.is_file()]
        finished.append({int(root.name.removeprefix("person-")) for root in roots})
    common = sorted(set.intersection(*finished))
    if len(common) < 2:
        raise UserError(
            f"Only {len(common)} people have heads in all of these folders; two are needed. "
            "Let `idto3d evaluate likeness` make them first."
        )
    return common


def as_text(names: Sequence[str], found: "Sequence[Measured]", compared: Sequence[Figure]) -> str:
    """Means in columns; in brackets for how many people it is better than the first column."""
    rows: list[tuple[str, ...]] = [("mean", *names)]
    first = found[0].scores
    for each in compared:
        cells = []
        for column, measured in enumerate(found):
            values = [each.of(score) for score in measured.scores]
            before = [each.of(score) for score in first]
            sign = 1 if each.more_is_better else -1
            better = sum(sign * (b - a) > 0 for a, b in zip(before, values, strict=True))
            note = f" ({better} of {len(values)} better)" if column else ""
            cells.append(f"{np.mean(values):.2f}{note}")
        rows.append((each.name, *cells))
    for what in _recognition(found[0]):
        rows.append((what, *(f"{100 * _recognition(each)[what]:.0f}%" for each in found)))
    return "\n".join([f"{len(first)} people", *aligned(rows)])


def draw(names: Sequence[str], found: "Sequence[Measured]", compared: Sequence[Figure]) -> Any:
    """A panel for each figure: people along the columns, joined by lines, means in black."""
    figure = new_figure(3.2 * len(compared), 3.6)
    for panel, each in enumerate(compared):
        axes = figure.add_subplot(1, len(compared), panel + 1)
        values = np.array([[each.of(score) for score in measured.scores] for measured in found])
        axes.plot(range(len(names)), values, "o-", color="tab:blue", alpha=0.4, linewidth=1)
        axes.plot(range(len(names)), values.mean(axis=1), "ks-", linewidth=2)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.3, len(names) - 0.7)
        axes.set_title(each.name, fontsize=9)
    return figure


def _recognition(measured: "Measured") -> dict[str, float]:
    """Rank 1 by judge, from random sides and from the front."""
    from idto3d.evaluation.probes import POSES

    found = {}
    for judge, group in measured.groups.items():
        found[f"rank 1, {judge}"] = group.overall.rank_one
        found[f"rank 1 frontal, {judge}"] = group.poses[POSES.index(0)].rank_one
    return found


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"There is no evaluation in {folder}. Make one with `idto3d evaluate likeness`."
        ) from error


def _sheet(
    names: Sequence[str], sets: "Sequence[list[Case]]", found: "Sequence[Measured]",
    people: "People",
) -> list[Row]:  # fmt: skip
    """A row for each person: a photograph, each head, the true one."""
    from idto3d.evaluation.measure import CAPTIONS, sheet_rows

    pages = [
        sheet_rows(cases, each.scores, people) for cases, each in zip(sets, found, strict=True)
    ]
    first = CAPTIONS.index("generated")
    rows = []
    for place, score in enumerate(found[0].scores):
        heads = [picture for page in pages for picture in page[place].pictures[first : first + 2]]
        own = pages[0][place].pictures
        distances = ", ".join(
            f"{name} {each.scores[place].generated.median:.2f} mm"
            for name, each in zip(names, found, strict=True)
        )
        heading = f"Person {score.person} ({score.family}): {distances}"
        rows.append(Row(heading, [own[0], *heads, *own[first + 2 :]]))
    return rows

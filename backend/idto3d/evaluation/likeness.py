# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d evaluate likeness`: does a generated head look like the person, in numbers?

Synthetic people that no training has seen are photographed, their heads generated from the photos
by the product itself, and compared with the true heads. Each head is a job folder of its own and
is measured as soon as it is finished: an evaluation that was stopped or killed goes on where it
was, and `--report-only` makes tables of what there is at any time. Several processes may share the
work, one for each `--part`.

    DIR/person-00/photos/photo-1.png …   what the head is generated from
    DIR/person-00/job/                   the job, its result folder included
    DIR/person-00/truth.npz              what is measured of the person alone
    DIR/person-00/measured.npz           what is measured of the head; anew when the head changes
    DIR/settings.json                    what all heads were generated with
    DIR/likeness.json, likeness.txt      figures, and the same as tables
    DIR/likeness.png                     contact sheet
    DIR/plots/                           figures as pictures, where matplotlib is installed
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.asset.files import write_whole
from idto3d.errors import UserError
from idto3d.evaluation import head_jobs
from idto3d.evaluation.sitters import synthetic_people

if TYPE_CHECKING:
    from idto3d.evaluation.held_out import Case
    from idto3d.evaluation.observe import Bench


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate likeness`."""
    add = parser.add_argument
    add("--people", type=int, default=50, help="how many people, at least 2")
    add(
        "--ict",
        type=Path,
        metavar="DIR",
        help="folder with ICT-FaceKit's ict.npz; every second person is then made with it",
    )
    head_jobs.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Generate and measure; prints the table and returns the exit code.

    Raises UserError for bad input, Cancelled when the person asks to stop.
    """
    table, people = synthetic_people(arguments.people, arguments.ict)
    from idto3d.evaluation.held_out import SEED, case, write_photos
    from idto3d.evaluation.judges import MISSING, judges
    from idto3d.evaluation.observe import bench, observation, truth

    population = {"seed": SEED, "ict": arguments.ict is not None}
    settings = head_jobs.agreed_settings(arguments, population)
    tools = bench(people, table, judges())
    if all(judge.optimised_with for judge in tools.judges):
        print(MISSING)
    cases = [
        case(
            _folder(arguments.output, index), people.person(SEED, index), index, settings["photos"]
        )
        for index in range(arguments.people)
    ]

    def make(each: "Case") -> None:
        write_photos(each, tools.table)
        if not each.finished:
            place = f"{each.index + 1} of {arguments.people}"
            print(f"Head {place}: person {each.index} ({each.person.family})", flush=True)
            folder = _folder(arguments.output, each.index)
            head_jobs.generate_head(each.job, folder.name, each.photos, arguments.device, settings)
        print(f"Measuring person {each.index}", flush=True)
        truth(each, tools)
        observation(each, tools)

    def report() -> None:
        _report(arguments.output, cases, tools, settings)

    return head_jobs.work_through(cases, make, report, arguments)


def _folder(output: Path, index: int) -> Path:
    return output / f"person-{index:02d}"


def _report(output: Path, cases: list["Case"], tools: "Bench", settings: dict[str, Any]) -> None:
    """Tables, plots and sheet of the finished heads, among all people. Raises UserError."""
    from idto3d.evaluation import plots, scores
    from idto3d.evaluation.bars import bars
    from idto3d.evaluation.contact_sheet import write_contact_sheet
    from idto3d.evaluation.measure import CAPTIONS, measure, sheet_rows

    finished = sum(case.finished for case in cases)
    if finished < 2:
        raise UserError(
            f"{finished} of {len(cases)} heads in {output} are finished; two are needed. "
            "Leave out --report-only to generate them."
        )
    found = measure(cases, tools)
    aims = bars(found.scores, found.groups)
    figures = scores.to_json(found.scores, found.groups, found.similarity, settings, aims)
    counted = f"{len(found.scores)} heads among {len(cases)} people."
    sentences = (aim.sentence() for aim in aims)
    text = "\n".join([counted, scores.table(found.scores, found.groups), "", *sentences])
    write_whole(output / "likeness.json", figures.encode())
    write_whole(output / "likeness.txt", (text + "\n").encode())
    write_contact_sheet(
        output / "likeness.png", CAPTIONS, sheet_rows(cases, found.scores, tools.people)
    )
    print(text)
    drawn = plots.write_plots(output / "plots", found.scores, found.groups)
    print(f"{output / 'likeness.json'}, {output / 'likeness.txt'}, {output / 'likeness.png'}")
    print(f"{output / 'plots'}" if drawn else plots.MISSING)

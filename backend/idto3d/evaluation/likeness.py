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
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.asset.files import write_whole
from idto3d.assets import PRIOR, expression_names
from idto3d.errors import UserError
from idto3d.evaluation.sitters import synthetic_people
from idto3d.job import worker
from idto3d.job.preflight import check_device, check_prior
from idto3d.job.protocol import Cancelled, Request
from idto3d.job.terminal import TerminalReporter
from idto3d.settings import PRESETS, settings_for

if TYPE_CHECKING:
    from idto3d.evaluation.held_out import Case
    from idto3d.evaluation.observe import Bench

# Settings that decide who the people are; the others decide how their heads are generated.
POPULATION = ("seed", "ict")
# What evaluations that are older than a setting were made with.
BEFORE = {"expressions": [], "photos": 5}
INTERNAL = 1  # exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate likeness`."""
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of photos, heads and figures; goes on with what is there",
    )
    add("--people", type=int, default=50, help="how many people, at least 2")
    add(
        "--photos",
        type=int,
        default=5,
        choices=range(1, 6),
        metavar="1..5",
        help="how many photographs of each person heads are generated from",
    )
    add(
        "--expressions",
        default="",
        metavar="A,B,...",
        help="expressions to generate and to measure beside the neutral face, or 'all'",
    )
    add(
        "--ict",
        type=Path,
        metavar="DIR",
        help="folder with ICT-FaceKit's ict.npz; every second person is then made with it",
    )
    add("--prior", type=Path, metavar="DIR", help="another diffusion prior than the shipped one")
    add("--preset", choices=tuple(PRESETS), default="draft", help="as of `idto3d generate`")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="replace one setting of the preset; may be given several times",
    )
    add(
        "--part",
        type=part,
        metavar="K/N",
        help="every Nth person only, from the Kth, without a report: N commands share the work",
    )
    add(
        "--report-only",
        action="store_true",
        help="generate nothing, measure the heads that are finished",
    )


def part(words: str) -> tuple[int, int]:
    """'2/3' -> (2, 3): the second of three. Raises ArgumentTypeError for anything else."""
    number, _, count = words.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"'{words}' is no part: write 1/2 and 2/2, for two")
    return int(number), int(count)


def run(arguments: argparse.Namespace) -> int:
    """Generate and measure; prints the table and returns the exit code.

    Raises UserError for bad input, Cancelled when the person asks to stop.
    """
    table, people = synthetic_people(arguments.people, arguments.ict)
    from idto3d.evaluation.held_out import SEED, case
    from idto3d.evaluation.judges import MISSING, judges
    from idto3d.evaluation.observe import bench

    settings = agreed_settings(arguments, SEED)
    tools = bench(people, table, judges())
    if all(judge.optimised_with for judge in tools.judges):
        print(MISSING)
    cases = [
        case(
            _folder(arguments.output, index), people.person(SEED, index), index, settings["photos"]
        )
        for index in range(arguments.people)
    ]
    if arguments.report_only:
        return _report(arguments.output, cases, tools, settings)
    number, count = arguments.part or (1, 1)
    failures = [
        failure
        for each in cases[number - 1 :: count]
        if (failure := _head(each, tools, arguments, settings))
    ]
    if arguments.part:
        print("This part is done. The same command with --report-only in place of --part reports.")
    else:
        _report(arguments.output, cases, tools, settings)
    for failure in failures:
        print(f"idto3d: {failure}", file=sys.stderr)
    return INTERNAL if failures else 0


def agreed_settings(arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """What DIR's heads are generated with: written to a new DIR, compared in one that exists.

    Heads of different settings must not be averaged, so another answer than before is an error;
    with `--report-only` the former settings hold and only the population must be the same.
    """
    from idto3d.options import parse_overrides

    prior = (arguments.prior or PRIOR).absolute()
    asked: dict[str, Any] = {
        "seed": seed,
        "ict": arguments.ict is not None,
        "preset": arguments.preset,
        "overrides": parse_overrides(arguments.set),
        "prior": str(prior),
        "expressions": asked_expressions(arguments.expressions),
        "photos": arguments.photos,
    }
    path = arguments.output / "settings.json"
    if not arguments.report_only:
        settings_for(arguments.preset, asked["overrides"])
        check_device(arguments.device)
        check_prior(prior)
        # The manifest lists the hash of every file.
        asked["prior_sha256"] = hashlib.sha256((prior / "prior.json").read_bytes()).hexdigest()
    if path.is_file():
        before = BEFORE | json.loads(path.read_text(encoding="utf-8"))
        compared = POPULATION if arguments.report_only else tuple(asked)
        changed = [name for name in compared if asked[name] != before.get(name)]
        if changed:
            raise UserError(
                f"The heads in {arguments.output} were made with another {' and '.join(changed)}. "
                "Give the same options as before, or name another folder with --output."
            )
        return before
    if arguments.report_only:
        raise UserError(
            f"There is no evaluation in {arguments.output}. Leave out --report-only to begin one."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {path.parent} can't be made ({error.strerror}). Name another --output."
        ) from error
    write_whole(path, (json.dumps(asked, indent=1) + "\n").encode())
    return asked


def asked_expressions(words: str) -> list[str]:
    """'smile, blink' or 'all' -> names of the vocabulary without the neutral face.

    Raises UserError for a name that isn't there.
    """
    known = [name for name in expression_names() if name != "neutral"]
    if words.strip() == "all":
        return known
    asked = [word.strip() for word in words.split(",") if word.strip() not in ("", "neutral")]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise UserError(
            f"There is no expression {unknown[0]}. Known are {', '.join(known)}, and all of them."
        )
    return list(dict.fromkeys(asked))


def _folder(output: Path, index: int) -> Path:
    return output / f"person-{index:02d}"


def _head(
    case: "Case", tools: "Bench", arguments: argparse.Namespace, settings: dict[str, Any]
) -> str | None:
    """Generate one head unless it is there, and measure it; what went wrong, or None.

    One head that fails is no reason to give up the others. Raises Cancelled.
    """
    from idto3d.evaluation.held_out import write_photos
    from idto3d.evaluation.observe import observation, truth

    place = f"{case.index + 1} of {arguments.people}"
    try:
        write_photos(case, tools.table)
        if not case.finished:
            print(f"Head {place}: person {case.index} ({case.person.family})", flush=True)
            _generate(case, arguments, settings)
        print(f"Measuring person {case.index}", flush=True)
        truth(case, tools)
        observation(case, tools)
    except (UserError, worker.InternalError) as error:
        failure = f"Person {case.index}: {error} ({case.job.root})"
        print(f"idto3d: {failure}", file=sys.stderr)
        return failure
    return None


def _generate(case: "Case", arguments: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Run or resume one job. Raises what `worker.run` raises."""
    from idto3d.generate import generate

    request = Request(
        photos=tuple(str(photo.absolute()) for photo in case.photos),
        expressions=tuple(settings["expressions"]),
        name=f"person-{case.index:02d}",
        preset=settings["preset"],
        device=arguments.device,
        prior=settings["prior"],
        overrides=settings["overrides"],
    )
    case.job.write_request(request)
    try:
        worker.run(case.job, generate, [TerminalReporter(sys.stdout)])
    except Cancelled:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise


def _report(output: Path, cases: list["Case"], tools: "Bench", settings: dict[str, Any]) -> int:
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
    return 0

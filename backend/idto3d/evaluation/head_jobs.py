# SPDX-License-Identifier: GPL-3.0-or-later
"""The heads of an evaluation: each a job of its own, made by the product itself.

An evaluation that was stopped or killed goes on where it was. All heads of a folder are made with
the same settings, which `settings.json` in it records. Several processes may share the work.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from idto3d.asset.files import make_folder, write_whole
from idto3d.assets import PRIOR, expression_names
from idto3d.errors import UserError
from idto3d.job import worker
from idto3d.job.preflight import check_device, check_prior
from idto3d.job.protocol import Cancelled, JobFolder, Request
from idto3d.job.terminal import TerminalReporter
from idto3d.settings import PRESETS, settings_for

# What evaluations that are older than a setting were made with.
BEFORE = {"expressions": [], "photos": 5}
INTERNAL = 1  # exit code


class HeadJob(Protocol):
    """Somebody whose head is made."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def job(self) -> JobFolder:
        """Where."""


Head = TypeVar("Head", bound=HeadJob)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say where heads are made, from how many photos, how, and by whom."""
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of heads and figures; goes on with what is there",
    )
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
        help="expressions to generate beside the neutral face, or 'all'",
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


def agreed_settings(arguments: argparse.Namespace, population: dict[str, Any]) -> dict[str, Any]:
    """What the heads in --output are generated with: written to a new folder, compared in one that
    exists.

    Heads of different settings must not be averaged, so another answer than before is an error;
    with `--report-only` the former settings hold and only the population must be the same.

    population: what decides who the people are; the options of `add_arguments` decide how their
    heads are generated. Raises UserError.
    """
    from idto3d.options import parse_overrides

    prior = (arguments.prior or PRIOR).absolute()
    asked: dict[str, Any] = population | {
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
        compared = population if arguments.report_only else asked
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
    make_folder(path.parent)
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


def work_through(
    heads: Sequence[Head], make: Callable[[Head], None], report: Callable[[], None],
    arguments: argparse.Namespace,
) -> int:  # fmt: skip
    """Make all heads or this part's, then report unless this is a part; returns the exit code.

    One head that fails is no reason to give up the others: what went wrong is printed at once and
    again at the end. Raises what `report` raises, and Cancelled.
    """
    if arguments.report_only:
        report()
        return 0
    number, count = arguments.part or (1, 1)
    failures = []
    for each in heads[number - 1 :: count]:
        try:
            make(each)
        except (UserError, worker.InternalError) as error:
            failures.append(f"{each.name}: {error} ({each.job.root})")
            print(f"idto3d: {failures[-1]}", file=sys.stderr)
    if arguments.part:
        print("This part is done. The same command with --report-only in place of --part reports.")
    else:
        report()
    for failure in failures:
        print(f"idto3d: {failure}", file=sys.stderr)
    return INTERNAL if failures else 0


def generate_head(
    job: JobFolder, name: str, photos: Sequence[Path], device: str, settings: dict[str, Any]
) -> None:
    """Run or resume one job; settings: what was agreed. Raises what `worker.run` raises."""
    from idto3d.generate import generate

    request = Request(
        photos=tuple(str(photo.absolute()) for photo in photos),
        expressions=tuple(settings["expressions"]),
        name=name,
        preset=settings["preset"],
        device=device,
        prior=settings["prior"],
        overrides=settings["overrides"],
    )
    job.write_request(request)
    try:
        worker.run(job, generate, [TerminalReporter(sys.stdout)])
    except Cancelled:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise

# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `idto3d generate | resume | check | estimate | doctor | ...`.

Only argparse is loaded to print the help; each command imports what it needs when it runs.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from idto3d import __version__, offline, options
from idto3d.errors import UserError

BAD_INPUT, INTERNAL, STOPPED = 2, 1, 130

# Commands that other modules define: the module with its run(arguments) -> int | None, its function
# that adds the options to a parser, and the line of help.
ELSEWHERE = {
    ("check",): ("idto3d.identity.check", "add_arguments", "say which photos can be used"),
    ("batch",): ("idto3d.batch.command", "add_arguments", "make the heads of a table of people"),
    ("estimate",): ("idto3d.forecast", "add_arguments", "say how long a head will take here"),
    ("template",): ("idto3d.training.template_command", "add_arguments", "use another head model"),
    ("prior",): ("idto3d.prior.command", "add_arguments", "fetch and assemble a larger prior"),
    ("train",): ("idto3d.training.cli", "fill_parser", "train a prior"),
    ("dataset",): ("idto3d.training.dataset", "add_arguments", "render synthetic people"),
    ("evaluate", "likeness"): (
        "idto3d.evaluation.likeness",
        "add_arguments",
        "compare heads of held-out people with the truth",
    ),
    ("evaluate", "photos"): (
        "idto3d.evaluation.photos",
        "add_arguments",
        "compare heads with other photographs of the same people, yours",
    ),
    ("evaluate", "compare"): (
        "idto3d.evaluation.comparison",
        "add_arguments",
        "lay finished likeness evaluations side by side",
    ),
    ("evaluate", "embeddings"): (
        "idto3d.evaluation.embedding_stability",
        "add_arguments",
        "embeddings against pose, expression and number of photos",
    ),
    ("evaluate", "prior"): (
        "idto3d.evaluation.prior_sheets",
        "add_arguments",
        "sheets of what the prior draws of held-out people",
    ),
    ("evaluate", "data"): (
        "idto3d.evaluation.training_people",
        "add_arguments",
        "say who is in a training set",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 internal error, 2 bad input, 130 stopped.

    Args:
        argv: the words after the program's name; None = those of this process.
    """
    # Read when torch is loaded. Threads that spin while they wait make a busy machine crawl.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:2] != ["prior", "download"]:
        offline.tell_libraries()
    arguments = build_parser(words).parse_args(words)
    if getattr(arguments, "offline", False):
        offline.forbid_network()
    from idto3d.job.protocol import Cancelled

    try:
        return arguments.run(arguments) or 0
    except UserError as error:
        print(f"idto3d: {error}", file=sys.stderr)
        return BAD_INPUT
    except (Cancelled, KeyboardInterrupt):
        return STOPPED


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for `words`; of the commands defined elsewhere only the one that is asked for
    is loaded.
    """
    parser = argparse.ArgumentParser(
        prog="idto3d", description="A person's head in 3D, with expressions, from photographs."
    )
    parser.add_argument("--version", action="version", version=f"idto3d {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_generate(commands)

    resume = commands.add_parser("resume", help="go on with a job that was stopped or killed")
    _add_job(resume)
    resume.add_argument("--quiet", action="store_true", help="print errors only")
    resume.add_argument("--offline", action="store_true", help=options.OFFLINE)
    resume.set_defaults(run=_resume)

    doctor = commands.add_parser("doctor", help="check this machine and say what is missing")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.add_argument(
        "--folder",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="where heads are to be made: its disk is examined",
    )
    doctor.set_defaults(run=_doctor)

    evaluate = commands.add_parser("evaluate", help="measure the quality of generated heads")
    measures = evaluate.add_subparsers(title="measures", required=True, metavar="MEASURE")
    for command, (module_name, filler, text) in ELSEWHERE.items():
        group = measures if command[0] == "evaluate" else commands
        command_parser = group.add_parser(command[-1], help=text)
        if tuple(words[: len(command)]) == command:
            module = import_module(module_name)
            getattr(module, filler)(command_parser)
            command_parser.set_defaults(run=module.run)
    return parser


def _add_generate(commands: Any) -> None:
    parser = commands.add_parser("generate", help="make a head from photographs")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photographs of one person")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the job's folder"
    )
    parser.add_argument("--name", default="head", help="name of the person and of the object")
    options.add_request_options(parser)
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.set_defaults(run=_generate)


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=Path, metavar="DIR", help="the folder given to --output")


def _generate(arguments: argparse.Namespace) -> int:
    from idto3d.job.preflight import check_request, create_job, withdraw_job

    request = dataclasses.replace(
        options.request_from(arguments),
        photos=tuple(str(Path(photo).absolute()) for photo in arguments.photos),
        name=arguments.name,
    )
    check_request(request)
    made_root = not arguments.output.exists()
    folder = create_job(arguments.output, request)
    try:
        return _work(arguments.output, arguments.quiet)
    except UserError:
        withdraw_job(folder, made_root)
        raise


def _resume(arguments: argparse.Namespace) -> int:
    return _work(arguments.job, arguments.quiet)


def _work(root: Path, quiet: bool) -> int:
    from idto3d.job import worker
    from idto3d.job.head import make_head
    from idto3d.job.protocol import Cancelled, JobFolder
    from idto3d.job.terminal import TerminalReporter

    folder = JobFolder(root)
    listeners = [] if quiet else [TerminalReporter(sys.stdout)]
    try:
        worker.run(folder, make_head, listeners)
    except Cancelled:
        print(f"Stopped. Go on with: idto3d resume {root}", file=sys.stderr)
        return STOPPED
    except worker.InternalError as error:
        print(f"idto3d: {error}", file=sys.stderr)
        return INTERNAL
    if not quiet:
        print(f"The head is in {folder.head}")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from idto3d import doctor

    checks = doctor.examine(work=arguments.folder)
    print(doctor.as_json(checks) if arguments.json else doctor.as_text(checks))
    return 0 if all(check.state != "fail" for check in checks) else INTERNAL


if __name__ == "__main__":
    sys.exit(main())

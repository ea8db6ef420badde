# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `idto3d generate | resume | check | estimate | doctor | ...`.

Only argparse is loaded to print the help; each command imports what it needs when it runs.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from idto3d import __version__
from idto3d.errors import UserError

BAD_INPUT, INTERNAL, STOPPED = 2, 1, 130

# Commands that other modules define: the module with its run(arguments) -> int | None, its function
# that adds the options to a parser, and the line of help.
ELSEWHERE = {
    ("check",): ("idto3d.identity.check", "add_arguments", "say which photos can be used"),
    ("estimate",): ("idto3d.forecast", "add_arguments", "say how long a head will take here"),
    ("train",): ("idto3d.training.cli", "fill_parser", "train a prior"),
    ("dataset",): ("idto3d.training.dataset", "add_arguments", "render synthetic people"),
    ("evaluate", "likeness"): (
        "idto3d.evaluation.likeness",
        "add_arguments",
        "compare heads of held-out people with the truth",
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
    arguments = build_parser(words).parse_args(words)
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
        "--expressions",
        default="",
        metavar="A,B,...",
        help="expressions beside the neutral face, for example smile,jaw_open",
    )
    parser.add_argument(
        "--preset",
        choices=("draft", "standard", "paper"),
        default="draft",
        help="draft: minutes on a CPU; standard; paper: the settings of the paper, for a GPU",
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the job's folder"
    )
    parser.add_argument("--name", default="head", help="name of the person and of the object")
    parser.add_argument("--seed", type=int, default=0, help="same seed and machine, same head")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--prior", type=Path, metavar="DIR", help="another diffusion prior than the shipped one"
    )
    parser.add_argument(
        "--identity-model",
        type=Path,
        metavar="FILE",
        help="the InsightFace model that a prior for InsightFace needs (non-commercial research)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="replace one setting of the preset; may be given several times",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.set_defaults(run=_generate)


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=Path, metavar="DIR", help="the folder given to --output")


def _generate(arguments: argparse.Namespace) -> int:
    from idto3d.job.preflight import check_request, create_job, withdraw_job
    from idto3d.job.protocol import Request

    expressions = (word.strip() for word in arguments.expressions.split(","))
    request = Request(
        photos=tuple(str(Path(photo).absolute()) for photo in arguments.photos),
        expressions=tuple(dict.fromkeys(word for word in expressions if word)),
        name=arguments.name,
        preset=arguments.preset,
        seed=arguments.seed,
        device=arguments.device,
        prior=_absolute(arguments.prior),
        identity_model=_absolute(arguments.identity_model),
        overrides=parse_overrides(arguments.set),
    )
    check_request(request)
    made_root = not arguments.output.exists()
    folder = create_job(arguments.output, request)
    try:
        return _work(arguments.output, arguments.quiet)
    except UserError:
        withdraw_job(folder, made_root)
        raise


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _resume(arguments: argparse.Namespace) -> int:
    return _work(arguments.job, arguments.quiet)


def _work(root: Path, quiet: bool) -> int:
    from idto3d.job import worker
    from idto3d.job.preflight import check_request
    from idto3d.job.protocol import Cancelled, JobFolder, Request
    from idto3d.job.reporter import Reporter
    from idto3d.job.terminal import TerminalReporter

    def generate(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        # With the lock held and the log open: whoever watches the folder sees that the worker
        # lives while its libraries load, and why it gives up.
        reporter.status("Starting")
        check_request(request)
        from idto3d.generate import generate as make_head

        make_head(request, folder, reporter)

    folder = JobFolder(root)
    listeners = [] if quiet else [TerminalReporter(sys.stdout)]
    try:
        worker.run(folder, generate, listeners)
    except Cancelled:
        print(f"Stopped. Go on with: idto3d resume {root}", file=sys.stderr)
        return STOPPED
    except worker.InternalError as error:
        print(f"idto3d: {error}", file=sys.stderr)
        return INTERNAL
    if not quiet:
        print(f"The head is in {folder.head}")
    return 0


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`["geometry.steps=20", "light=fixed"]` -> `{"geometry.steps": 20, "light": "fixed"}`.

    Values are read as JSON where they are JSON, else as text.

    Raises:
        UserError: a pair has no `=`.
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UserError(f"'{pair}' is no setting. Write --set NAME=VALUE.")
        try:
            overrides[name] = json.loads(text)
        except ValueError:
            overrides[name] = text
    return overrides


def _doctor(arguments: argparse.Namespace) -> int:
    from idto3d import doctor

    checks = doctor.examine(work=arguments.folder)
    print(doctor.as_json(checks) if arguments.json else doctor.as_text(checks))
    return 0 if all(check.state != "fail" for check in checks) else INTERNAL


if __name__ == "__main__":
    sys.exit(main())

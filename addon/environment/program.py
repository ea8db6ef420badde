# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `install | repair | bundle | move | remove`, each told in JSON lines.

Exit codes: 0 done, 2 an error with a remedy, 1 a mistake of the program, 130 cancelled.
"""

import argparse
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from . import relocate
from .install import Order, install, make_bundle
from .layout import Layout
from .messages import Cancelled, SetupError, Voice
from .packages import VARIANTS

DONE, INTERNAL, REFUSED, STOPPED = 0, 1, 2, 130


def main(words: Sequence[str], answers: TextIO, orders: TextIO | None) -> int:
    """Run one command; returns the exit code.

    Args:
        words: the words after the program's name.
        answers: gets the messages.
        orders: its end, or any line, asks to stop; so nothing is left running when Blender dies.
            None: nobody asks.
    """
    arguments = build_parser().parse_args(words)
    voice = Voice(answers, Layout(arguments.root).log)
    if orders is not None:
        threading.Thread(target=_listen, args=(orders, voice), daemon=True).start()
    try:
        _do(arguments, voice)
    except Cancelled:
        voice.stopped()
        return STOPPED
    except SetupError as error:
        voice.error(error)
        return REFUSED
    except PermissionError as error:
        voice.note(traceback.format_exc())
        cause = f"{error.filename} can't be written or read."
        voice.error(SetupError(cause, "Choose a folder that is yours."))
        return REFUSED
    except Exception as error:
        voice.note(traceback.format_exc())
        full = isinstance(error, OSError) and error.errno == 28
        if full:
            voice.error(SetupError("The disk is full.", "Make room, then press Resume."))
            return REFUSED
        summary = f"{type(error).__name__}: {error}".splitlines()[0]
        voice.error(
            SetupError(
                f"The set-up made a mistake ({summary}).",
                "Press Resume or Repair; if it comes again, report it with setup.log.",
            )
        )
        return INTERNAL
    return DONE


def _listen(orders: TextIO, voice: Voice) -> None:
    orders.readline()
    voice.cancel()


def build_parser() -> argparse.ArgumentParser:
    """The program's options."""
    parser = argparse.ArgumentParser(prog="setup", description="The backend's environment.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("install", "repair", "bundle"):
        command = commands.add_parser(name)
        command.add_argument("--root", type=_absolute, required=True)
        command.add_argument("--sources", type=_absolute, required=True)
        command.add_argument("--python", type=_absolute, required=True)
        command.add_argument("--variant", choices=("auto", *VARIANTS), default="auto")
        command.add_argument("--index", default="")
        if name == "bundle":
            command.add_argument("--to", type=_absolute, required=True)
        else:
            command.add_argument("--bundle", type=_absolute)
            command.add_argument("--keep-wheels", action="store_true")
            command.add_argument("--offline", action="store_true", help="ask no package index")
    mover = commands.add_parser("move")
    mover.add_argument("--root", type=_absolute, required=True)
    mover.add_argument("--to", type=_absolute, required=True)
    remover = commands.add_parser("remove")
    remover.add_argument("--root", type=_absolute, required=True)
    return parser


def _absolute(text: str) -> Path:
    # Links stay: the python of a virtual environment is one.
    return Path(text).absolute()


def _do(arguments: argparse.Namespace, voice: Voice) -> None:
    if arguments.command == "move":
        relocate.move(arguments.root, arguments.to, voice)
        voice.done("The environment is moved.", {"root": str(arguments.to)})
        return
    if arguments.command == "remove":
        relocate.remove(arguments.root, voice)
        voice.done("The environment is removed.", {})
        return
    order = Order(
        root=arguments.root,
        sources=arguments.sources,
        python=arguments.python,
        variant=arguments.variant,
        index=arguments.index,
    )
    if arguments.command == "bundle":
        count = make_bundle(order, arguments.to, voice)
        voice.done(f"The bundle has {count} packages.", {"folder": str(arguments.to)})
        return
    order = Order(
        **{
            **vars(order),
            "bundle": arguments.bundle,
            "keep_wheels": arguments.keep_wheels,
            "repair": arguments.command == "repair",
            "online": not arguments.offline,
        }
    )
    record = install(order, voice)
    voice.done(f"The backend is ready, with torch {record.torch}.", {"torch": record.torch})


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stdin):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stdin))

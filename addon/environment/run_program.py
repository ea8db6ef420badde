# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program, keep its lines in the log, and end it when the person cancels."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from .messages import Voice

# Lines kept to explain a failure.
KEPT_LINES = 200


class ProgramFailed(Exception):
    """A program ended with an error; `lines` is the end of what it printed."""

    def __init__(self, code: int, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.code = code
        self.lines = lines


def run_program(
    command: Sequence[str | Path], voice: Voice, environment: Mapping[str, str] | None = None
) -> list[str]:
    """Run to the end; returns the last lines that it printed.

    Args:
        command: the program and its arguments.
        voice: its log gets each line; when it is cancelled the program is ended.
        environment: the program's variables; None = ours.

    Raises:
        Cancelled: the person asked to stop; the program and what it started are dead.
        ProgramFailed: it ended with another code than 0.
        OSError: it can't be started.
    """
    words = [str(word) for word in command]
    voice.note("$ " + " ".join(words))
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=sys.platform != "win32",
        # Nothing but the lock is inheritable.
        close_fds=sys.platform == "win32",
    )
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=_read, args=(process.stdout, lines, voice), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            voice.check()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
    finally:
        if process.poll() is None:
            _end(process)
    reader.join(5.0)
    if process.returncode:
        raise ProgramFailed(process.returncode, lines)
    return lines


def _read(stream: IO[str], lines: list[str], voice: Voice) -> None:
    for line in stream:
        text = line.rstrip()
        if text:
            voice.log(text)
            lines.append(text)
            del lines[:-KEPT_LINES]


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        # /T: with what it started itself.
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that the add-on starts: a worker that outlives Blender, a short command that answers.

Standard library only: nothing here touches bpy, so the reading thread may use it.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

# How much of what a command wrote to its error stream is kept to explain a failure.
KEPT_ERROR_CHARACTERS = 20_000


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead another Python into Blender's folders."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PYTHON", "BLENDER_"))
    }
    # Threads that spin while they wait would make Blender, on the same processors, stutter.
    kept["OMP_WAIT_POLICY"] = "PASSIVE"
    return kept


def python_problem(path: Path | None) -> str:
    """Why `path` can't be the backend's Python, in a sentence; "" when it may be."""
    if path is None:
        return "Choose the Python of the environment in which idto3d is installed."
    if not path.is_file():
        return "There is no such file."
    if not os.access(path, os.X_OK):
        return "This file is no program."
    return ""


def start(command: Sequence[str], log_path: Path) -> subprocess.Popen[bytes]:
    """Start a program that lives on when Blender ends; what it prints is added to `log_path`.

    Raises:
        OSError: the program can't be started, or the log can't be written.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with open(log_path, "ab") as log:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=log_path.parent,
            env=clean_environment(),
            **_apart(detached=True),
        )


def _apart(detached: bool) -> dict[str, Any]:
    """Popen's words for a process that Blender's Ctrl-C does not reach, without a window."""
    if sys.platform == "win32":
        group = subprocess.CREATE_NEW_PROCESS_GROUP
        window = subprocess.DETACHED_PROCESS if detached else subprocess.CREATE_NO_WINDOW
        return {"creationflags": group | window}
    return {"start_new_session": True}


class Listener:
    """A short command whose JSON answer is read by a thread and polled by the main thread.

    Args:
        command: the program and its arguments.
        lines: True when it prints one JSON document a line, False when it prints one in all.

    Raises:
        OSError: the program can't be started.
    """

    def __init__(self, command: Sequence[str], lines: bool = False) -> None:
        self._lines = lines
        self._documents: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._errors = ""
        self._strange = ""  # printed, but no JSON
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=clean_environment(),
            **_apart(detached=False),
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._threads = (
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def poll(self) -> list[Any]:
        """The documents that came since the last call, oldest first; never waits."""
        documents = []
        while True:
            try:
                documents.append(self._documents.get_nowait())
            except queue.Empty:
                return documents

    @property
    def finished(self) -> bool:
        """True when the program has ended and everything it printed can be polled."""
        return self._process.poll() is not None and not any(
            thread.is_alive() for thread in self._threads
        )

    @property
    def exit_code(self) -> int | None:
        """The program's exit code; None while it runs."""
        return self._process.poll()

    @property
    def errors(self) -> str:
        """What the program wrote to its error stream, and what it printed that is no JSON."""
        return self._errors + self._strange

    def problem(self) -> str:
        """Why the finished program gave no good answer, in a sentence; "" when it did."""
        if self.exit_code == 0 and not self._strange:
            return ""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        if not lines:
            return f"The program ended with code {self.exit_code} and said nothing."
        return lines[-1].removeprefix("idto3d: ")

    def cancel(self) -> None:
        """Ask the program to end by closing its input, as Blender's own end would."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(OSError):  # it has ended already
                self._process.stdin.close()

    def kill(self) -> None:
        """End the program at once."""
        self.cancel()
        self._process.kill()

    def wait(self, seconds: float) -> bool:
        """Wait until it is finished; for tests and Blender's end. True when it is in time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        for thread in self._threads:
            thread.join(seconds)
        return self.finished

    def _read(self, stream: IO[str]) -> None:
        if not self._lines:
            self._take(stream.read())
            return
        for line in stream:
            self._take(line)

    def _take(self, text: str) -> None:
        if not text.strip():
            return
        try:
            self._documents.put(json.loads(text))
        except ValueError:
            self._strange = (self._strange + text)[-KEPT_ERROR_CHARACTERS:]

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            self._errors = (self._errors + line)[-KEPT_ERROR_CHARACTERS:]

# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the environment's program, as Blender follows it. No bpy."""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..process import Listener

# The program, run as a folder: `python -I FOLDER …`.
PROGRAM = Path(__file__).resolve().parents[1] / "environment"
# Lines shown in the preferences; all of them are in the environment's setup.log.
LOG_LINES = 200
# How long a cancelled program may take to end.
CANCEL_SECONDS = 10.0


class Session:
    """Starts the program and takes in what it says.

    Args:
        action: its command, for example `install`.
        python: the Python that runs the program; standard library only, so Blender's will do.
        words: the options of the command.

    Raises:
        OSError: the program can't be started.
    """

    def __init__(self, action: str, python: Path, words: Sequence[str]) -> None:
        self.action = action
        self.status = "Starting"
        self.share = 0.0
        self.detail = ""
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.outcome = ""  # done, error or cancelled; "" while it runs
        self.text = ""  # of the outcome: what was done, or the cause
        self.remedy = ""
        self._deadline: float | None = None  # for a cancelled program to end by itself
        self.answer: dict[str, Any] = {}  # the fields of `done`
        command = [str(python), "-I", "-B", "-X", "utf8", str(PROGRAM), action, *words]
        self.listener = Listener(command, lines=True)

    @property
    def running(self) -> bool:
        """True until the outcome is known."""
        return not self.outcome

    def tick(self) -> bool:
        """Take in what was said since the last call; True when something was."""
        if not self.running:
            return False
        ended = self.listener.finished
        messages = self.listener.poll()
        for message in messages:
            self._take(message)
        if self.running and self._deadline is not None and time.monotonic() > self._deadline:
            # It hangs in something that can't be interrupted. What is written is sound anyway.
            self.listener.kill()
            self.outcome, self.text = "cancelled", "Cancelled; what is done stays."
        if ended and self.running:
            # It was killed, or never came to say anything.
            self.outcome = "error"
            self.text = f"The set-up ended unexpectedly: {self.listener.problem()}"
            self.remedy = "Press Resume."
        return bool(messages) or ended

    def cancel(self) -> None:
        """Ask it to stop; the outcome comes with a later tick."""
        self.status = "Cancelling"
        self._deadline = time.monotonic() + CANCEL_SECONDS
        self.listener.cancel()

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "status":
            self.status, self.detail = message["text"], ""
            self.log.append(message["text"])
        elif kind == "progress":
            self.share, self.detail = message["share"], message["text"]
        elif kind == "log":
            self.log.append(message["text"])
        elif kind == "error":
            self.outcome = "error"
            self.text, self.remedy = message["cause"], message["remedy"]
        elif kind == "cancelled":
            self.outcome, self.text = "cancelled", "Cancelled; what is done stays."
        elif kind == "done":
            self.outcome, self.text = "done", message["text"]
            self.answer = message

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program says to Blender: one JSON object a line, on the standard output.

| type | fields |
| --- | --- |
| status | text: what is being done now |
| progress | share: 0 to 1 of the whole; text: the part in hand |
| log | text: a line for the log |
| error | cause, remedy: a sentence each; the last message |
| cancelled | the last message |
| done | text; more fields by command; the last message |
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


class SetupError(Exception):
    """Something that a person can act on.

    Args:
        cause: what is wrong, a sentence.
        remedy: what to do, a sentence.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy


class Cancelled(Exception):
    """The person asked to stop; what is done stays and is gone on from later."""


class Voice:
    """Says the messages, keeps the log, and knows whether the person has asked to stop.

    Args:
        stream: where the messages go.
        log: file that the log's lines are added to; None: they are only said.
    """

    # A bar that moves more often than this costs more than it shows.
    PROGRESS_SECONDS = 0.2

    def __init__(self, stream: TextIO, log: Path | None = None) -> None:
        self.cancelled = threading.Event()
        self._interrupt: Callable[[], None] | None = None
        self.log_file = log
        self._stream = stream
        self._writing = threading.Lock()
        self._last_progress = 0.0

    def status(self, text: str) -> None:
        """Say what is being done now."""
        self._say({"type": "status", "text": text})
        self._keep(text)

    def progress(self, share: float, text: str) -> None:
        """Say how far the whole is."""
        now = time.monotonic()
        if share < 1.0 and now - self._last_progress < self.PROGRESS_SECONDS:
            return
        self._last_progress = now
        self._say({"type": "progress", "share": round(share, 4), "text": text})

    def log(self, text: str) -> None:
        """Say and keep one line of detail."""
        self._say({"type": "log", "text": text})
        self._keep(text)

    def error(self, error: SetupError) -> None:
        """Say that it ended without success."""
        self._say({"type": "error", "cause": error.cause, "remedy": error.remedy})
        self._keep(f"{error.cause} {error.remedy}")

    def stopped(self) -> None:
        """Say that it ended because the person asked for that."""
        self._say({"type": "cancelled"})
        self._keep("Cancelled.")

    def done(self, text: str, fields: Mapping[str, Any]) -> None:
        """Say that it succeeded."""
        self._say({"type": "done", "text": text, **fields})
        self._keep(text)

    def check(self) -> None:
        """Raise Cancelled when the person has asked to stop."""
        if self.cancelled.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """Ask to stop; for another thread than the working one."""
        self.cancelled.set()
        if self._interrupt is not None:
            self._interrupt()

    @contextmanager
    def interrupting(self, action: Callable[[], None]) -> Iterator[None]:
        """Have `action` called by `cancel`: it makes the wait end in which the work hangs."""
        self._interrupt = action
        try:
            self.check()
            yield
        finally:
            self._interrupt = None

    def note(self, text: str) -> None:
        """Keep something in the log only."""
        self._keep(text)

    def _say(self, message: Mapping[str, Any]) -> None:
        with self._writing:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()

    def _keep(self, text: str) -> None:
        # Only in a folder that is ours: from its first step on, to the last one of its removal.
        if self.log_file is not None and (self.log_file.parent / "environment.json").is_file():
            with self._writing, open(self.log_file, "a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

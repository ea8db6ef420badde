# SPDX-License-Identifier: GPL-3.0-or-later
"""`events.jsonl`: one writer that appends whole lines, any number of readers that follow it."""

import os
import time
from pathlib import Path
from types import TracebackType

from .protocol import Message, decode_timed, encode

# At most this much is read in one poll, so that a poll in Blender's main thread stays short.
POLL_BYTES = 1 << 18


class EventWriter:
    """Appends messages; each is one write, so a reader sees a line whole or as an unended rest."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._file).st_size
        if size:
            os.lseek(self._file, size - 1, os.SEEK_SET)
            if os.read(self._file, 1) != b"\n":
                # A worker that was killed in the middle of a line: end it, readers skip it.
                os.write(self._file, b"\n")

    def write(self, message: Message) -> None:
        """Append one message; an OSError (a full disk) goes to the caller."""
        line = (encode(message, time.time()) + "\n").encode("utf-8")
        while line:
            line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Close the file; writing afterwards is a mistake of the caller."""
        os.close(self._file)

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class EventReader:
    """Follows a log that may not exist yet, may grow, and may end in half a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.skipped = 0  # complete lines that were no message: cut off by a kill, or foreign

    def at_end(self) -> bool:
        """True when everything that is in the log now has been polled."""
        return not self._path.exists() or self._path.stat().st_size == self._offset

    def poll(self) -> list[Message]:
        """The messages appended since the last call, oldest first; [] when there is nothing new."""
        return [message for _, message in self.poll_timed()]

    def poll_timed(self) -> list[tuple[float, Message]]:
        """As `poll`, each message with the seconds since 1970 at which it was written.

        Costs one `stat` when nothing is new. A log that became shorter is another job's: it is
        read from its start.
        """
        try:
            size = os.stat(self._path).st_size
        except FileNotFoundError:
            return []
        if size < self._offset:
            self._offset, self._rest = 0, b""
        if size == self._offset:
            return []
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            new = file.read(POLL_BYTES)
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        messages = []
        for line in lines:
            try:
                messages.append(decode_timed(line.decode("utf-8")))
            except ValueError:
                self.skipped += 1
        return messages


def read_all(path: Path) -> list[Message]:
    """Every message of a log, oldest first; [] when there is no log."""
    reader, messages = EventReader(path), []
    while not reader.at_end():
        messages += reader.poll()
    return messages

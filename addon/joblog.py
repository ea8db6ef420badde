# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's log as a text for people: what its worker said, and what its log file has. No bpy."""

import time

from ..backend.idto3d.job.eventlog import EventReader
from ..backend.idto3d.job.protocol import (
    Done,
    Failed,
    JobFolder,
    Message,
    Progress,
    Started,
    Status,
    Stopped,
    Used,
    Warned,
)

# The end of a log file that is shown; a loop of warnings can make it large.
SHOWN_BYTES = 200_000


def readable_log(folder: JobFolder) -> str:
    """Every message of the job but the steps between, a line each, then its `worker.log`."""
    reader = EventReader(folder.events)
    lines = [f"The job in {folder.root}", ""]
    stage = ""
    while not reader.at_end():
        for moment, message in reader.poll_timed():
            if isinstance(message, Progress):
                if message.stage == stage and message.step < message.total:
                    continue
                stage = message.stage
            text = _line(message)
            if text:
                lines.append(time.strftime("%H:%M:%S  ", time.localtime(moment)) + text)
    if reader.skipped:
        lines.append(f"({reader.skipped} lines could not be read)")
    lines += ["", f"{folder.log.name}:", _end(folder) or "(empty)"]
    return "\n".join(lines) + "\n"


def _line(message: Message) -> str:
    match message:
        case Started():
            return f"Started as process {message.pid}"
        case Status() | Warned():
            return f"{'Warning: ' if isinstance(message, Warned) else ''}{message.text}"
        case Progress():
            return f"{message.stage}: {message.step} of {message.total}"
        case Used():
            return f"Took {message.memory / 1e9:.1f} GB of memory"
        case Failed():
            return f"Failed: {message.cause} {message.remedy}".rstrip()
        case Stopped():
            return "Stopped on request"
        case Done():
            return f"Done: {message.path}"
        case _:
            return ""


def _end(folder: JobFolder) -> str:
    try:
        with open(folder.log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - SHOWN_BYTES))
            return file.read().decode("utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""

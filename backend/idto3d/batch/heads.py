# SPDX-License-Identifier: GPL-3.0-or-later
"""One head of a batch: its job is made, resumed or left; its log tells how it ended."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from idto3d.batch.people import Row
from idto3d.batch.report import DONE, FAILED, KEPT, REFUSED, STOPPED, Outcome
from idto3d.errors import UserError
from idto3d.job import lock
from idto3d.job.eventlog import read_all
from idto3d.job.preflight import check_request, create_job
from idto3d.job.protocol import FINAL, Done, Failed, JobFolder, Stopped, Used

# The program that works on one job folder. A process for each head: its memory, the GPU's too, is
# free when it ends, and a crash takes nobody else along.
RESUME = (sys.executable, "-m", "idto3d.cli", "resume")


def prepare(root: Path, row: Row) -> Outcome | None:
    """Make the row's job folder ready for a worker; returns the outcome where there is no work.

    A job of the same request is kept where it is finished, else gone on with. A job whose row was
    edited meanwhile starts anew if it has made nothing yet; otherwise the row is refused.
    """

    def ended(state: str, message: str = "") -> Outcome:
        return Outcome(row.number, row.name, row.folder, state, message=message)

    if row.request is None:
        return ended(REFUSED, row.error)
    folder = JobFolder(root / row.folder)
    try:
        if not folder.request.exists():
            check_request(row.request)
            create_job(folder.root, row.request)
            return None
        owner = lock.owner(folder.lock)
        if owner is not None:
            return ended(REFUSED, f"{folder.root} is being worked on by process {owner}.")
        if folder.read_request() != row.request:
            if any(path.exists() for path in (folder.checkpoint, folder.preview, folder.result)):
                return ended(
                    REFUSED,
                    f"{folder.root} holds a head of this name from another request. "
                    "Remove the folder, or give the row another name.",
                )
            check_request(row.request)
            folder.write_request(row.request)
        if folder.head.exists() and isinstance(_end(folder), Done):
            return ended(KEPT)
        check_request(row.request)
        return None
    except UserError as error:
        return ended(REFUSED, f"Row {row.number} ({row.name}): {error}")


def work(root: Path, row: Row, program: Sequence[str]) -> Outcome:
    """Run a program such as RESUME on the row's prepared job folder and wait for its end.

    On Ctrl-C the worker is asked to stop, waited for, and its outcome is STOPPED.
    """
    folder = JobFolder(root / row.folder)
    began = time.monotonic()
    worker = subprocess.Popen([*program, str(folder.root)], stderr=subprocess.DEVNULL)
    while True:
        try:
            worker.wait()
            break
        except KeyboardInterrupt:
            # At a terminal the worker had the same signal; elsewhere this is how it learns.
            folder.cancel.touch()
    return outcome_of(root, row, time.monotonic() - began, worker.returncode)


def outcome_of(root: Path, row: Row, seconds: float, code: int = 0) -> Outcome:
    """What the job's log says after a worker has ended with an exit code."""
    folder = JobFolder(root / row.folder)
    end = _end(folder)
    state, message = FAILED, f"The worker ended without a word (exit code {code}); see {folder.log}"
    if isinstance(end, Done) and folder.head.exists():
        state, message = DONE, ""
    elif isinstance(end, Stopped):
        state, message = STOPPED, "Run the same batch again to go on."
    elif isinstance(end, Failed):
        message = f"{end.cause} {end.remedy}".rstrip()
    memory = [each for each in read_all(folder.events) if isinstance(each, Used)]
    used = memory[-1] if memory else Used(0)
    return Outcome(
        row.number, row.name, row.folder, state, seconds, used.memory, used.gpu_memory, message
    )


def _end(folder: JobFolder) -> object:
    """The log's last word on how the job ended; None after a kill or before the first start."""
    messages = read_all(folder.events)
    return messages[-1] if messages and isinstance(messages[-1], FINAL) else None

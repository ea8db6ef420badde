# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one job folder from its request to its result, or to an end that can be explained."""

import errno
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from types import FrameType

from idto3d.errors import UserError
from idto3d.job import lock
from idto3d.job.eventlog import EventWriter
from idto3d.job.memory import peak_gpu_memory, peak_memory
from idto3d.job.protocol import (
    Cancelled,
    Done,
    Failed,
    JobFolder,
    Request,
    Started,
    Stopped,
    Used,
)
from idto3d.job.reporter import EventReporter, Reporter, SeveralReporters

Generate = Callable[[Request, JobFolder, Reporter], None]


class InternalError(Exception):
    """A mistake of the program; the traceback is in the job's `worker.log`."""


def run(folder: JobFolder, generate: Generate, listeners: Sequence[Reporter] = ()) -> None:
    """Work on the job until it is done, stopped or failed; the events say which.

    SIGINT and SIGTERM ask for a clean stop with a checkpoint; a second SIGINT stops at once, and
    the last checkpoint stands.

    Args:
        folder: holds a request; a checkpoint in it is for `generate` to go on from.
        generate: the algorithm; returns when the head is in the result folder.
        listeners: told the same as the event log.

    Raises:
        UserError: bad input or a missing resource, or another worker has the job.
        Cancelled: stopped on request.
        InternalError: anything else that went wrong.
    """
    request = folder.read_request()
    with _explained(folder), lock.held(folder.lock), EventWriter(folder.events) as writer:
        # A wish to stop from before this start is fulfilled already.
        folder.cancel.unlink(missing_ok=True)
        writer.write(Started(os.getpid()))
        try:
            with _explained(folder), _stop_on_signals(folder):
                everyone = (EventReporter(folder, writer), *listeners)
                generate(request, folder, SeveralReporters(everyone))
        except (Cancelled, KeyboardInterrupt):
            writer.write(Stopped())
            raise Cancelled from None
        except (UserError, InternalError) as error:
            cause, _, remedy = str(error).partition(". ")
            with suppress(OSError):  # the cause may be a full disk
                writer.write(Failed(cause.rstrip(".") + ".", remedy))
            raise
        finally:
            folder.cancel.unlink(missing_ok=True)
        folder.finish.unlink(missing_ok=True)
        writer.write(Used(peak_memory(), peak_gpu_memory()))
        writer.write(Done(folder.relative(folder.head)))


@contextmanager
def _explained(folder: JobFolder) -> Iterator[None]:
    """Turn what the system and the libraries raise into an error that a person can act on."""
    try:
        yield
    except (Cancelled, UserError, InternalError):
        raise
    except Exception as error:
        sentence = explanation(error, folder)
        if sentence is not None:
            raise UserError(sentence) from error
        _log_traceback(folder, error)
        summary = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InternalError(
            f"The program made a mistake ({summary}). The details are in {folder.log.name} in the "
            "job's folder; please report them."
        ) from error


def explanation(error: Exception, folder: JobFolder) -> str | None:
    """What a person can do about an error that is not the program's fault; None if it is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk of {folder.root} is full. Make room, then run 'idto3d resume' on it; "
            "nothing before the last checkpoint is lost."
        )
    # torch is not imported for this: an error of its kind can only come when it is loaded.
    names = {kind.__name__ for kind in type(error).__mro__}
    if (
        isinstance(error, MemoryError)
        or "OutOfMemoryError" in names
        or "can't allocate memory" in str(error)
    ):
        return (
            "There is not enough memory for this job. Close other programs, take a smaller preset "
            "or fewer expressions, or run it with --device cpu."
        )
    if isinstance(error, PermissionError | FileNotFoundError) and error.filename is not None:
        path = os.fspath(error.filename)
        if isinstance(path, str) and path.startswith(str(folder.root)):
            return (
                f"{path} can't be written or read. Check that the folder still exists and is yours."
            )
    return None


def _log_traceback(folder: JobFolder, error: Exception) -> None:
    with suppress(OSError), open(folder.log, "a", encoding="utf-8") as file:
        file.write(f"{datetime.now().isoformat(timespec='seconds')}\n")
        file.writelines(traceback.format_exception(error))


@contextmanager
def _stop_on_signals(folder: JobFolder) -> Iterator[None]:
    """Let signals ask for a stop in the same way as everybody else: by the `cancel` file."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, frame: FrameType | None) -> None:
        folder.cancel.touch()
        # The next one acts at once, as it would without us.
        signal.signal(number, before[number])

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])

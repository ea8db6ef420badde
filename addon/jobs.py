# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as Blender sees them: what their folders say, which worker lives, who is next. No bpy.

A job is a folder and nothing else, so it outlives Blender: whoever opens the folder later reads
the same. Beside what the worker writes there is `queued` while a job waits for its turn and
`launched` from the moment a Blender took it until its worker speaks.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ..backend.idto3d.errors import UserError
from ..backend.idto3d.job import lock
from ..backend.idto3d.job.eventlog import EventReader
from ..backend.idto3d.job.protocol import JobFolder, Request, Started
from .job_state import JobState, advance

# How often it is checked whether a worker still lives; with it, death is noticed within 2 s.
CHECK_SECONDS = 1.0
# A job whose worker has not spoken so long after it was launched by another Blender never will.
LAUNCH_SECONDS = 60.0
# Asked to stop, a worker saves a checkpoint after its current step; after this it may be ended.
PATIENCE_SECONDS = 20.0
# How many jobs at rest are looked at in one poll.
RESTING_POLLS = 4
# Folders that are no jobs, such as the forecast's trial, begin so.
HIDDEN = "."

Launch = Callable[[JobFolder], "subprocess.Popen[bytes]"]


class Job:
    """One job folder that is followed.

    Args:
        root: the folder; it holds a request.
    """

    def __init__(self, root: Path) -> None:
        self.folder = JobFolder(root)
        self.state = JobState()
        self.created = self.folder.request.stat().st_mtime
        self._reader = EventReader(self.folder.events)
        self._process: subprocess.Popen[bytes] | None = None
        self._checked = -1e9
        self._ended = False  # by `end`
        self._dead_lock = 0.0  # the time of a lock whose owner has died
        self._request: Request | None = None

    @property
    def id(self) -> str:
        """The folder's name, by which panels and files call the job."""
        return self.folder.root.name

    @property
    def request(self) -> Request | None:
        """What it was asked to do; None when the request can't be read."""
        if self._request is None:
            with contextlib.suppress(UserError):
                self._request = self.folder.read_request()
        return self._request

    @property
    def name(self) -> str:
        """The person's name."""
        return self.request.name if self.request is not None else self.id

    @property
    def resumable(self) -> bool:
        """Whether a worker could go on with it."""
        return self.state.phase in ("stopped", "failed", "dead") and self.request is not None

    def poll(self, now: float) -> bool:
        """Take in what is new; True when the state changed. A few `stat` calls when nothing is.

        Args:
            now: seconds since 1970.
        """
        before = self.state
        self._read()
        # A child's end costs nothing to notice.
        ended = self._process is not None and self._process.poll() is not None
        if ended or now - self._checked >= CHECK_SECONDS:
            self._checked = now
            self._check(now)
        return self.state != before

    def enqueue(self) -> None:
        """Let it wait for its turn."""
        self.folder.root.joinpath("queued").touch()
        self.state = replace(self.state, phase="queued", cause="", remedy="", status="")

    def withdraw(self) -> None:
        """Take it out of the queue."""
        self._mark("queued").unlink(missing_ok=True)
        self._forget_and_read()

    def launch(self, launch: Launch, now: float) -> bool:
        """Start a worker on the queued job; False when another Blender was faster.

        Raises:
            OSError: the worker can't be started; the job has failed.
        """
        try:
            os.replace(self._mark("queued"), self._mark("launched"))
        except FileNotFoundError:
            return False
        os.utime(self._mark("launched"))
        self.folder.cancel.unlink(missing_ok=True)
        self._starting(now)
        self._checked = now
        try:
            self._process = launch(self.folder)
        except OSError as error:
            self._mark("launched").unlink(missing_ok=True)
            self._fail(f"The worker can't be started: {error.strerror or error}.", "")
            raise
        return True

    def cancel(self) -> None:
        """Ask for a stop with a checkpoint."""
        self.folder.cancel.touch()
        self.state = replace(self.state, stopping=True)

    def finish(self) -> None:
        """Ask to leave out the remaining steps and write the head."""
        self.folder.finish.touch()
        self.state = replace(self.state, finishing=True)

    def end(self) -> None:
        """End the worker at once; what it did since the last checkpoint is lost."""
        self._ended = True
        pid = lock.owner(self.folder.lock)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        elif pid is not None:
            with contextlib.suppress(ProcessLookupError):
                # Windows knows no SIGKILL; os.kill with any other signal ends a process there.
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def stop_is_late(self, now: float) -> bool:
        """Whether the worker was asked to stop and does not obey."""
        try:
            asked = self.folder.cancel.stat().st_mtime
        except FileNotFoundError:
            return False
        return self.state.active and now - asked > PATIENCE_SECONDS

    def _mark(self, name: str) -> Path:
        return self.folder.root / name

    def _forget_and_read(self) -> None:
        self.state = JobState()
        self._reader = EventReader(self.folder.events)
        self._checked = -1e9
        self._read()

    def _read(self) -> None:
        for moment, message in self._reader.poll_timed():
            if isinstance(message, Started):
                self._mark("launched").unlink(missing_ok=True)
            self.state = advance(self.state, moment, message, self.folder.root)

    def _check(self, now: float) -> None:
        """Hold the state against what the disk says about queue, wishes and the worker's life."""
        if self._mark("queued").exists():
            if self.state.phase != "queued":
                self.state = replace(self.state, phase="queued")
            return
        if self.state.phase == "queued":  # another Blender took it
            self._starting(now)
        self.state = replace(
            self.state,
            stopping=self.state.active and self.folder.cancel.exists(),
            finishing=self.state.active and self.folder.finish.exists(),
        )
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
        else:
            code = None
            if self._owned(now) or self._launching(now):
                if not self.state.active:  # resumed by somebody else, who has not spoken yet
                    self._starting(now)
                return
        while not self._reader.at_end():  # its last words
            self._read()
        self._process = None
        if self.state.active or (self.state.phase == "stopped" and self._mark("launched").exists()):
            self._bury(code)

    def _starting(self, now: float) -> None:
        """From now on a worker is on its way; the time before it speaks is nobody's work."""
        worked = self.state.elapsed(self.state.heard)
        fresh = JobState("starting", "Starting", worked=worked, heard=now)
        self.state = replace(fresh, preview=self.state.preview, picture=self.state.picture)

    def _owned(self, now: float) -> bool:
        """Whether a living process holds the lock; asks no more about one known to be dead."""
        try:
            changed = self.folder.lock.stat().st_mtime
        except FileNotFoundError:
            return False
        if changed == self._dead_lock:
            return False
        if lock.owner(self.folder.lock) is not None:
            return True
        if now - changed > lock.SETTLE_SECONDS:  # else it may just be being written
            self._dead_lock = changed
        return False

    def _launching(self, now: float) -> bool:
        try:
            return now - self._mark("launched").stat().st_mtime < LAUNCH_SECONDS
        except FileNotFoundError:
            return False

    def _bury(self, code: int | None) -> None:
        with contextlib.suppress(FileNotFoundError):
            # Whoever reads the folder later need not wait for a worker that never spoke.
            os.utime(self._mark("launched"), (0.0, 0.0))
        self.state = replace(self.state, phase="dead", stopping=False, finishing=False)
        cause, remedy = why_dead(code, last_line(self.folder.log), bool(self.state.began))
        if self._ended:
            cause, self._ended = "The worker was ended at once, as asked.", False
        self.state = replace(self.state, cause=cause, remedy=remedy)

    def _fail(self, cause: str, remedy: str) -> None:
        self.state = replace(self.state, phase="failed", cause=cause, remedy=remedy)


class Jobs:
    """All jobs in one folder, newest first.

    Args:
        root: the folder of job folders; it may not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._jobs: dict[str, Job] = {}
        self._seen: int | None = None  # the folder's time of change when it was listed
        self._listed = -1e9
        self._turn = 0  # which of the jobs at rest is looked at next

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, name: str) -> Job | None:
        """The job of that id; None when there is none."""
        return self._jobs.get(name)

    @property
    def active(self) -> Job | None:
        """The job that a worker is at."""
        return next((job for job in self if job.state.active), None)

    @property
    def queue(self) -> list[Job]:
        """The jobs that wait, the first one first."""
        return sorted((job for job in self if job.state.phase == "queued"), key=_queued_at)

    def create(self, request: Request, now: float) -> Job:
        """Make the folder of a new job and let it wait for its turn.

        Raises:
            OSError: the folder can't be written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        folder = JobFolder(_free_name(self.root, request.name, now))
        folder.write_request(request)
        job = Job(folder.root)
        job.enqueue()
        self._jobs = {job.id: job, **self._jobs}
        return job

    def delete(self, job: Job) -> None:
        """Remove a job that no worker is at, with everything that it made.

        Raises:
            OSError: something can't be removed.
        """
        # Renamed first: a removal that is cut short never looks like a job.
        doomed = self.root / f"{HIDDEN}deleted-{job.id}"
        os.rename(job.folder.root, doomed)
        del self._jobs[job.id]
        shutil.rmtree(doomed)

    def poll(self, now: float) -> list[Job]:
        """Take in what is new in all jobs; returns those that changed.

        Jobs that wait or work are looked at each time; of the others, which only another Blender
        could wake, a few take their turn.
        """
        new: list[Job] = []
        if now - self._listed >= CHECK_SECONDS:
            self._listed = now
            new = self._list()
        resting = [job for job in self if not job.state.active and job.state.phase != "queued"]
        first, self._turn = self._turn, self._turn + RESTING_POLLS
        if self._turn >= len(resting):
            self._turn = 0
        turn = {job.id for job in (*new, *resting[first : first + RESTING_POLLS])}
        turn |= {job.id for job in self if job.state.active or job.state.phase == "queued"}
        return [job for job in self if job.id in turn and job.poll(now)]

    def launch_next(self, launch: Launch, now: float) -> Job | None:
        """Start the first of the queue unless a job is active; returns the job it started.

        Raises:
            OSError: the worker can't be started.
        """
        if self.active is not None:
            return None
        return next((job for job in self.queue if job.launch(launch, now)), None)

    def _list(self) -> list[Job]:
        """Notice folders that came and went; returns the new ones."""
        try:
            changed = os.stat(self.root).st_mtime_ns
        except FileNotFoundError:
            self._jobs = {}
            return []
        if changed == self._seen:
            return []
        # A change within the clock's grain of the listing would be missed: list once more then.
        self._seen = changed if time.time_ns() - changed > 2_000_000_000 else None
        names = {
            entry.name
            for entry in os.scandir(self.root)
            if not entry.name.startswith(HIDDEN) and (Path(entry.path) / "request.json").exists()
        }
        known = {name: job for name, job in self._jobs.items() if name in names}
        added = {name: Job(self.root / name) for name in names - set(known)}
        every = {**known, **added}
        self._jobs = dict(
            sorted(every.items(), key=lambda pair: (pair[1].created, pair[0]), reverse=True)
        )
        return list(added.values())


def why_dead(code: int | None, last_words: str, started: bool) -> tuple[str, str]:
    """Cause and remedy, a sentence each, for a worker that ended without saying why.

    Args:
        code: its exit code, negative for a signal; None when it was another Blender's child.
        last_words: the last line of its log.
        started: whether it had begun to work.
    """
    resume = "Press Resume: it goes on from the last checkpoint."
    if code is not None and (code == -9 or code == 137):
        cause = "The system ended the worker, most often because memory ran out."
        return cause, f"Close other programs or take a smaller preset. {resume}"
    if code is not None and (code < 0 or code > 255):
        name = f"signal {-code}" if code < 0 else f"code {code & 0xFFFFFFFF:#x}"
        return f"The worker crashed ({name}).", f"{resume} If it happens again, open the log."
    if not started:
        said = f": {last_words}" if last_words else "."
        cause = f"The worker did not start{said}"
        return cause, "Run the doctor in the add-on's preferences, then press Resume."
    cause = "The worker is gone without a word; it was ended, or the computer was restarted."
    return cause, resume


def last_line(log: Path) -> str:
    """The last line that says something in a log; "" without one."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _queued_at(job: Job) -> float:
    try:
        return (job.folder.root / "queued").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _free_name(root: Path, person: str, now: float) -> Path:
    """A new folder's path such as `20260131-154500-ada`: sorted by time, readable, unique."""
    word = re.sub(r"[^a-z0-9]+", "-", person.lower()).strip("-")[:40] or "head"
    stem = time.strftime("%Y%m%d-%H%M%S", time.localtime(now)) + f"-{word}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(root / name for name in names if not (root / name).exists())

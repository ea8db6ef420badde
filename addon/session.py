# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on knows while it is switched on and no file needs to remember."""

from collections.abc import Sequence
from pathlib import Path

import bpy

from . import backend
from .jobs import Job, Jobs
from .process import Listener
from .questions import Question
from .thumbnails import Thumbnails


class Session:
    """One switching-on of the add-on."""

    def __init__(self) -> None:
        self.jobs = Jobs(Path())
        self.check = Question(ask_backend)  # of the photos
        self.forecast = Question(ask_backend)
        self.trial = Question(ask_backend)  # the measurement that a forecast may need
        self.thumbnails = Thumbnails()
        self.problem = ""  # of the last tick, for the panel
        # Jobs whose head was imported since the file was loaded. Undo takes the scene's own note
        # of it back, and the head must not come again then.
        self.imported: set[str] = set()
        # Why the newest preview, and the head, of a job could not be shown.
        self.unshown: dict[str, str] = {}
        self.not_imported: dict[str, str] = {}
        # Jobs started for a scene: undo must not lose them either.
        self.started: dict[str, str] = {}  # job -> scene
        self.shown: dict[str, Path] = {}  # job -> preview that the viewport shows

    def follow(self, context: bpy.types.Context) -> Jobs:
        """The jobs of the folder that the preferences name now."""
        root = backend.jobs_folder(context)
        if root != self.jobs.root:
            self.jobs = Jobs(root)
        return self.jobs

    def forget_file(self) -> None:
        """Another .blend file is open: nothing that belonged to the last one holds."""
        self.imported.clear()
        self.started.clear()
        self.shown.clear()
        self.unshown.clear()
        self.not_imported.clear()
        self.check.drop()

    def close(self) -> None:
        """The add-on is switched off; workers go on."""
        for question in (self.check, self.forecast, self.trial):
            question.drop()
        self.thumbnails.close()

    def job_of(self, scene: bpy.types.Scene) -> Job | None:
        """The job that the panel of a scene is about: the one at work, else the latest."""
        mine = [self.jobs.get(row.name) for row in scene.idto3d.jobs]
        found = [job for job in mine if job is not None]
        latest = sorted(found, key=lambda job: max(job.state.heard, job.created))
        working = [job for job in latest if job.state.active]
        return (working or latest or [None])[-1]


def ask_backend(words: Sequence[str]) -> Listener:
    """Start `idto3d WORDS`. Raises RuntimeError without a backend, OSError if it can't start."""
    return Listener(backend.command(bpy.context, *words))


_sessions: list[Session] = []


def session() -> Session:
    """The running one. Raises IndexError while the add-on is off."""
    return _sessions[-1]


def open_session() -> None:
    """Called when the add-on is switched on."""
    _sessions.append(Session())


def close_session() -> None:
    """Called when the add-on is switched off."""
    _sessions.pop().close()

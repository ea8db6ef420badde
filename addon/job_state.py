# SPDX-License-Identifier: GPL-3.0-or-later
"""What the messages of a job's worker add up to: the state that the panels show. No bpy."""

from dataclasses import dataclass, replace
from pathlib import Path

from ..backend.idto3d.job.protocol import (
    FINAL,
    Done,
    Failed,
    Message,
    Picture,
    Preview,
    Progress,
    Started,
    Status,
    Stopped,
    Warned,
)

# From here on a worker that lives but says nothing is called silent; loading and baking take less.
SILENT_SECONDS = 120.0

ACTIVE = ("starting", "running")


@dataclass(frozen=True)
class JobState:
    """Everything the panels show of a job."""

    # queued, starting, running, done, stopped (on request), failed (the worker said why) or dead
    # (it ended without a word).
    phase: str = "stopped"
    status: str = ""  # what is being done, in words
    stage: str = ""  # geometry, texture or asset
    step: int = 0
    total: int = 0
    eta_seconds: float | None = None  # until the end of the stage
    began: float = 0.0  # when this run started, seconds since 1970; 0.0 before the first
    heard: float = 0.0  # when the worker last said something
    worked: float = 0.0  # seconds of the runs before this one
    preview: Path | None = None  # newest mesh
    picture: Path | None = None  # newest picture
    warnings: tuple[str, ...] = ()
    cause: str = ""  # of a failure
    remedy: str = ""
    stopping: bool = False  # asked to stop
    finishing: bool = False  # asked to write the head from what there is

    @property
    def active(self) -> bool:
        """Whether a worker is at it."""
        return self.phase in ACTIVE

    def elapsed(self, now: float) -> float:
        """Seconds that workers have spent on it."""
        if not self.began:
            return self.worked
        return self.worked + (now if self.active else self.heard) - self.began

    def silent(self, now: float) -> float:
        """Seconds since an active worker's last word, 0.0 until that is unusual."""
        quiet = now - self.heard if self.active and self.heard else 0.0
        return quiet if quiet >= SILENT_SECONDS else 0.0


def advance(state: JobState, moment: float, message: Message, root: Path) -> JobState:
    """The state after one more message, written at `moment`, of the job in `root`."""
    if isinstance(message, Started):
        worked = state.elapsed(state.heard)
        cleared = replace(state, cause="", remedy="", warnings=(), status="", eta_seconds=None)
        return replace(cleared, phase="running", worked=worked, began=moment, heard=moment)
    state = replace(state, heard=moment)
    if isinstance(message, Status):
        return replace(state, status=message.text)
    if isinstance(message, Progress):
        steps = {"stage": message.stage, "step": message.step, "total": message.total}
        return replace(state, **steps, eta_seconds=message.eta_seconds)
    if isinstance(message, Preview):
        return replace(state, preview=root / message.path)
    if isinstance(message, Picture):
        return replace(state, picture=root / message.path)
    if isinstance(message, Warned):
        return replace(state, warnings=(*state.warnings, message.text))
    if isinstance(message, FINAL):
        state = replace(state, stopping=False, finishing=False)
    if isinstance(message, Failed):
        return replace(state, phase="failed", cause=message.cause, remedy=message.remedy)
    if isinstance(message, Stopped):
        return replace(state, phase="stopped")
    if isinstance(message, Done):
        return replace(state, phase="done", eta_seconds=None)
    return state  # Used: for forecasts

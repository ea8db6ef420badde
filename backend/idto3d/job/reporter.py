# SPDX-License-Identifier: GPL-3.0-or-later
"""How a long computation tells what it does: one small protocol, one report for each listener."""

import math
import time
from collections.abc import Sequence
from os import PathLike
from typing import Protocol

from idto3d.job import protocol
from idto3d.job.eventlog import EventWriter

# Progress events a second: enough for a smooth bar, few enough to keep the log small.
EVENTS_PER_SECOND = 4.0


class Reporter(Protocol):
    """Told by the algorithm what happens; asked by it whether to stop.

    Paths given to `preview` and `picture` are complete files that won't change afterwards.
    """

    def status(self, text: str) -> None:
        """Say what is being done now, in words."""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps."""

    def step(self, n: int, **metrics: float) -> None:
        """`n` steps of the current stage are done; `metrics` are plain numbers."""

    def preview(self, path: str | PathLike[str]) -> None:
        """A newer preview (glTF binary) is complete."""

    def picture(self, path: str | PathLike[str]) -> None:
        """A newer picture is complete."""

    def warning(self, text: str) -> None:
        """Say something that the person should know; the work goes on."""

    def should_stop(self) -> bool:
        """True once the person has asked to stop: save a checkpoint, raise `Cancelled`."""


class StageClock:
    """Estimates the time left in a stage from the pace of its last steps (about 20)."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._pace: float | None = None  # seconds a step, smoothed
        self._mark: tuple[int, float] | None = None  # the last step and its time

    def eta(self, step: int, now: float) -> float | None:
        """Seconds left after `step` steps at the time `now`; None while there is no pace yet.

        The first call only sets the mark: a stage's first step compiles kernels, and a resumed
        stage begins with a jump in `step` that took no time.
        """
        if self._mark is not None and step > self._mark[0]:
            done = step - self._mark[0]
            pace = (now - self._mark[1]) / done
            share = min(1.0, done / 20)
            self._pace = pace if self._pace is None else self._pace + share * (pace - self._pace)
        self._mark = (step, now)
        return None if self._pace is None else self._pace * (self.total - step)


class EventReporter:
    """Writes the messages of a job folder; stops when its `cancel` file appears."""

    def __init__(self, folder: protocol.JobFolder, writer: EventWriter) -> None:
        self._folder = folder
        self._writer = writer
        self._stage = ""
        self._clock = StageClock(0)
        self._last = -math.inf

    def status(self, text: str) -> None:
        self._writer.write(protocol.Status(text))

    def stage(self, name: str, total: int) -> None:
        self._stage, self._last = name, -math.inf
        self._clock = StageClock(total)
        self._writer.write(protocol.Progress(name, 0, total))

    def step(self, n: int, **metrics: float) -> None:
        now = time.monotonic()
        eta = self._clock.eta(n, now)
        if n < self._clock.total and now - self._last < 1.0 / EVENTS_PER_SECOND:
            return
        self._last = now
        finite = {key: float(value) for key, value in metrics.items() if math.isfinite(value)}
        self._writer.write(protocol.Progress(self._stage, n, self._clock.total, eta, finite))

    def preview(self, path: str | PathLike[str]) -> None:
        self._writer.write(protocol.Preview(self._folder.relative(path)))

    def picture(self, path: str | PathLike[str]) -> None:
        self._writer.write(protocol.Picture(self._folder.relative(path)))

    def warning(self, text: str) -> None:
        self._writer.write(protocol.Warned(text))

    def should_stop(self) -> bool:
        return self._folder.cancel.exists()


class SeveralReporters:
    """Tells each of several reporters the same; stops when one of them says so."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def status(self, text: str) -> None:
        for reporter in self._reporters:
            reporter.status(text)

    def stage(self, name: str, total: int) -> None:
        for reporter in self._reporters:
            reporter.stage(name, total)

    def step(self, n: int, **metrics: float) -> None:
        for reporter in self._reporters:
            reporter.step(n, **metrics)

    def preview(self, path: str | PathLike[str]) -> None:
        for reporter in self._reporters:
            reporter.preview(path)

    def picture(self, path: str | PathLike[str]) -> None:
        for reporter in self._reporters:
            reporter.picture(path)

    def warning(self, text: str) -> None:
        for reporter in self._reporters:
            reporter.warning(text)

    def should_stop(self) -> bool:
        return any(reporter.should_stop() for reporter in self._reporters)

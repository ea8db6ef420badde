# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress for a person at a terminal: one line that renews itself, or a line now and then."""

import time
from os import PathLike, fspath
from typing import TextIO

from idto3d.job.reporter import StageClock

# Seconds between two lines when the output is a file or a pipe, and between two renewals of the
# line on a terminal.
LINE_SECONDS = 10.0
RENEW_SECONDS = 0.2
BAR_CELLS = 24


class TerminalReporter:
    """Shows stage, step, time left, and where the pictures are; never asks to stop itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._renews = stream.isatty()
        self._stage = ""
        self._clock = StageClock(0)
        self._last = 0.0
        self._open = ""  # what stands in the line that is being renewed

    def status(self, text: str) -> None:
        self._line(text)

    def stage(self, name: str, total: int) -> None:
        self._stage, self._clock, self._last = name, StageClock(total), 0.0

    def step(self, n: int, **metrics: float) -> None:
        now = time.monotonic()
        eta = self._clock.eta(n, now)
        ended = n >= self._clock.total
        if not ended and now - self._last < (RENEW_SECONDS if self._renews else LINE_SECONDS):
            return
        self._last = now
        text = progress_line(self._stage, n, self._clock.total, eta, metrics)
        if not self._renews or ended:
            self._line(text)
        else:
            self._stream.write("\r" + text.ljust(len(self._open)))
            self._stream.flush()
            self._open = text

    def preview(self, path: str | PathLike[str]) -> None:
        pass  # meshes are for Blender's viewport; a terminal has the pictures

    def picture(self, path: str | PathLike[str]) -> None:
        self._line(f"picture: {fspath(path)}")

    def warning(self, text: str) -> None:
        self._line(f"warning: {text}")

    def should_stop(self) -> bool:
        return False

    def _line(self, text: str) -> None:
        if self._open:
            text = "\r" + text.ljust(len(self._open))
        self._stream.write(text + "\n")
        self._stream.flush()
        self._open = ""


def progress_line(
    stage: str, step: int, total: int, eta_seconds: float | None, metrics: dict[str, float]
) -> str:
    """One line such as `geometry [####....]  120/600  1 min 32 s left  loss 0.12`."""
    cells = BAR_CELLS * step // max(total, 1)
    parts = [f"{stage} [{'#' * cells}{'.' * (BAR_CELLS - cells)}]", f"{step}/{total}"]
    if eta_seconds is not None and step < total:
        parts.append(f"{duration(eta_seconds)} left")
    parts += [f"{name} {value:.3g}" for name, value in metrics.items()]
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Rounded for a person: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners are told the same; the log stays small; the time left is about right."""

import io
import math
from pathlib import Path

import pytest

from idto3d.job.eventlog import EventWriter, read_all
from idto3d.job.protocol import JobFolder, Picture, Preview, Progress, Status, Warned
from idto3d.job.reporter import EventReporter, SeveralReporters, StageClock
from idto3d.job.terminal import TerminalReporter, duration, progress_line


def test_eta_of_an_even_pace() -> None:
    clock = StageClock(100)
    assert clock.eta(1, 30.0) is None  # the first step compiled something for 30 seconds
    for step in range(2, 51):
        eta = clock.eta(step, 30.0 + 0.5 * (step - 1))
    assert eta == pytest.approx(25.0)


def test_eta_follows_a_change_of_pace() -> None:
    clock, now = StageClock(1000), 0.0
    for step in range(1, 301):
        now += 1.0 if step <= 100 else 0.1
        eta = clock.eta(step, now)
    assert eta == pytest.approx(70.0, rel=0.01)


def test_eta_of_a_resumed_stage_ignores_the_jump() -> None:
    clock = StageClock(1000)
    assert clock.eta(900, 1.0) is None
    assert clock.eta(901, 2.0) == pytest.approx(99.0)


def test_events_of_a_run(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    with EventWriter(folder.events) as writer:
        reporter = EventReporter(folder, writer)
        reporter.status("begin")
        reporter.stage("geometry", 1000)
        for step in range(1, 1001):
            reporter.step(step, loss=1.0, bad=math.nan)
        reporter.preview(folder.preview / "a.glb")
        reporter.picture(str(folder.preview / "a.png"))
        reporter.warning("dark photo")
    events = read_all(folder.events)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[0] == Progress("geometry", 0, 1000)
    assert progress[-1].step == 1000 and progress[-1].metrics == {"loss": 1.0}
    assert len(progress) < 50
    rest = [event for event in events if not isinstance(event, Progress)]
    assert rest == [
        Status("begin"),
        Preview("preview/a.glb"),
        Picture("preview/a.png"),
        Warned("dark photo"),
    ]


def test_one_who_wants_to_stop_is_enough(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    with EventWriter(folder.events) as writer:
        both = SeveralReporters([TerminalReporter(io.StringIO()), EventReporter(folder, writer)])
        assert not both.should_stop()
        folder.cancel.touch()
        assert both.should_stop()


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_file_output_is_plain_lines() -> None:
    stream = io.StringIO()
    reporter = TerminalReporter(stream)
    reporter.stage("geometry", 200)
    for step in range(1, 201):
        reporter.step(step, loss=0.5)
    reporter.picture("out/a.png")
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert len(lines) == 3  # the first step, the last one, the picture
    assert lines[1].startswith("geometry [####") and "200/200" in lines[1]
    assert lines[2] == "picture: out/a.png"


def test_terminal_line_is_renewed_and_wiped() -> None:
    stream = Terminal()
    reporter = TerminalReporter(stream)
    reporter.stage("geometry", 10)
    reporter.step(1, loss=0.123)
    reporter.warning("short")
    screen: list[str] = [""]
    for character in stream.getvalue():
        if character == "\n":
            screen.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            column = column if len(screen) > 1 or screen[0] else 0
            screen[-1] = screen[-1][:column] + character + screen[-1][column + 1 :]
            column += 1
    assert screen[0].rstrip() == "warning: short"


def test_progress_line() -> None:
    line = progress_line("texture", 30, 120, 92.4, {"loss": 0.12345})
    assert line == "texture [######..................]  30/120  1 min 32 s left  loss 0.123"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text

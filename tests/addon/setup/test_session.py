# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the environment's program as Blender follows it."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.addon import extension
from tests.addon.environment import tiny

session = extension.load("addon.setup.session")


def follow(run: Any, seconds: float = 15.0) -> None:
    """Tick until the outcome is known."""
    end = time.monotonic() + seconds
    while run.running:
        run.tick()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_error_with_its_remedy(tmp_path: Path) -> None:
    run = session.Session("remove", Path(sys.executable), ["--root", str(tmp_path)])
    follow(run)
    assert run.outcome == "error" and "no environment of ID-to-3D" in run.text
    assert run.remedy and not run.tick()


def test_done(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    tiny.write_record(tmp_path / "old", complete=True)
    words = ["--root", str(tmp_path / "old"), "--to", str(tmp_path / "new")]
    run = session.Session("move", Path(sys.executable), words)
    follow(run)
    assert (run.outcome, run.answer["root"]) == ("done", str(tmp_path / "new"))
    assert list(run.log) == [f"Moving to {tmp_path / 'new'}"]


@pytest.fixture
def sleeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of a program that says something and then hangs."""
    code = (
        "import json, time\n"
        "print(json.dumps({'type': 'progress', 'share': 0.5, 'text': 'half'}), flush=True)\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "__main__.py").write_text(code)
    monkeypatch.setattr(session, "PROGRAM", tmp_path)
    run = session.Session("install", Path(sys.executable), [])
    end = time.monotonic() + 10.0
    while not run.share:
        run.tick()
        assert time.monotonic() < end
        time.sleep(0.02)
    return run


def test_death_is_noticed(sleeping: Any) -> None:
    assert (sleeping.share, sleeping.detail, sleeping.running) == (0.5, "half", True)
    os.kill(sleeping.listener._process.pid, signal.SIGTERM)
    follow(sleeping)
    assert sleeping.outcome == "error" and "ended unexpectedly" in sleeping.text
    assert sleeping.remedy == "Press Resume."


def test_cancelled_program_that_hangs_is_killed(
    sleeping: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CANCEL_SECONDS", 0.2)
    sleeping.cancel()
    assert sleeping.status == "Cancelling" and sleeping.running
    follow(sleeping)
    assert sleeping.outcome == "cancelled"
    assert sleeping.listener.wait(5.0)


def test_tick_without_news_is_cheap(sleeping: Any) -> None:
    begin = time.perf_counter()
    for _ in range(100):
        sleeping.tick()
    cost = (time.perf_counter() - begin) / 100
    sleeping.listener.kill()
    assert cost < 0.002

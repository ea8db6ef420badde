# SPDX-License-Identifier: GPL-3.0-or-later
"""Forecasts rest on what earlier jobs on this machine took, and say so."""

import json
from pathlib import Path
from typing import Any

import pytest

from idto3d import cli
from idto3d.forecast import Forecast, as_text, forecast, read_job, read_jobs
from idto3d.job.protocol import (
    Done,
    JobFolder,
    Message,
    Progress,
    Request,
    Started,
    Stopped,
    Used,
    encode,
)
from idto3d.settings import PRESETS

DRAFT = PRESETS["draft"]


def write_job(root: Path, step: float = 2.0, stopped: bool = False, **changes: Any) -> JobFolder:
    """A job of 10 geometry and 10 texture steps: the first of each 30 s, the others `step`.

    10 s before, between and after the stages.
    """
    folder = JobFolder(root)
    values = {"photos": ("a.jpg",), "expressions": ("smile",), **changes}
    folder.write_request(Request(**values))
    now, events = 1000.0, list[tuple[float, Message]]()
    events.append((now, Started(1)))
    for stage in ("geometry", "texture"):
        now += 10.0
        events.append((now, Progress(stage, 0, 10)))
        for index in range(1, 11):
            now += 30.0 if index == 1 else step
            events.append((now, Progress(stage, index, 10)))
        if stopped:
            events.append((now, Stopped()))
            events.append((now + 500.0, Started(2)))
            events.append((now + 510.0, Progress(stage, 10, 10)))
            now += 510.0
    now += 10.0
    events += [(now, Used(3 << 30, 5 << 20)), (now, Done("result/head.glb"))]
    lines = [encode(message, time) + "\n" for time, message in events]
    folder.events.write_text("".join(lines), encoding="utf-8")
    return folder


def test_a_log_gives_pace_and_rest(tmp_path: Path) -> None:
    job = read_job(write_job(tmp_path / "a"))
    assert job is not None
    assert job.pace == {"geometry": pytest.approx(2.0), "texture": pytest.approx(2.0)}
    assert job.rest == pytest.approx(30.0)
    assert (job.memory, job.gpu_memory) == (3 << 30, 5 << 20)
    assert job.disk == sum(path.stat().st_size for path in (tmp_path / "a").iterdir())


def test_a_pause_is_no_pace(tmp_path: Path) -> None:
    job = read_job(write_job(tmp_path / "a", stopped=True))
    assert job is not None and job.rest is None
    assert job.pace["geometry"] == pytest.approx(2.0)


def test_folders_that_tell_nothing(tmp_path: Path) -> None:
    JobFolder(tmp_path / "queued").write_request(Request(photos=("a",), expressions=()))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "request.json").write_text("{")
    assert read_jobs(tmp_path) == [] and read_jobs(tmp_path / "none") == []


def test_without_measurements_there_is_no_number() -> None:
    answer = forecast(Request(photos=("a",), expressions=()), [])
    assert answer.basis == "unknown" and answer.seconds is None and answer.memory is None


def test_same_settings_are_measured(tmp_path: Path) -> None:
    for name, step in (("a", 1.0), ("b", 2.0), ("c", 9.0)):
        write_job(tmp_path / name, step)
    answer = forecast(Request(photos=("p",), expressions=("smile",)), read_jobs(tmp_path))
    steps = DRAFT.geometry.iterations + DRAFT.texture.iterations
    assert (answer.basis, answer.jobs) == ("measured", 3)
    assert answer.seconds == pytest.approx(2.0 * steps + 30.0)
    assert answer.seconds_low is not None and answer.seconds_high is not None
    assert answer.seconds_low < answer.seconds < answer.seconds_high
    assert answer.memory == 3 << 30


def test_another_preset_is_scaled_and_has_a_wider_range(tmp_path: Path) -> None:
    write_job(tmp_path / "a")
    past = read_jobs(tmp_path)
    answer = forecast(Request(photos=("p",), expressions=(), preset="standard"), past)
    assert answer.basis == "scaled" and "scaled" in answer.explanation
    draft = forecast(Request(photos=("p",), expressions=()), past)
    assert answer.seconds is not None and draft.seconds is not None
    standard = PRESETS["standard"]
    assert answer.seconds > draft.seconds * standard.geometry.iterations / DRAFT.geometry.iterations
    assert answer.seconds_high is not None and draft.seconds_high is not None
    assert answer.seconds_high / answer.seconds > draft.seconds_high / draft.seconds


def test_another_device_tells_nothing(tmp_path: Path) -> None:
    write_job(tmp_path / "a", device="cuda")
    answer = forecast(Request(photos=("p",), expressions=(), device="cpu"), read_jobs(tmp_path))
    assert answer.basis == "unknown"


def test_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_job(tmp_path / "a")
    assert cli.main(["estimate", "--jobs", str(tmp_path), "--expressions", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["basis"] == "measured" and answer["seconds"] > 300
    assert answer["free_memory"] > 0 and answer["free_disk"] > 0
    assert cli.main(["estimate", "--jobs", str(tmp_path / "none")]) == 0
    assert "No head has been made" in capsys.readouterr().out


def test_words() -> None:
    text = as_text(Forecast("measured", "Measured.", 1, 100.0, 90.0, 110.0, 2 << 30))
    assert text == "1 min 30 s to 1 min 50 s, 2.0 GiB of memory. Measured."

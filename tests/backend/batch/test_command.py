# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch with the toy in the algorithm's place: others go on, finished heads stay, a report."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d import cli
from idto3d.batch import command, heads
from idto3d.batch.command import make_heads
from idto3d.batch.people import Row, read_people
from idto3d.batch.report import Outcome, as_table, write_sheet
from idto3d.job.protocol import JobFolder, Request
from tests.backend.batch.toy_program import checkpoint_of
from tests.backend.job.test_preflight import make_prior

TOY = (sys.executable, "-m", "tests.backend.batch.toy_program")
HEADING = "name,photos,expressions,seed,description\n"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", f"{repository / 'backend'}{os.pathsep}{repository}")


@pytest.fixture
def defaults(tmp_path: Path) -> Request:
    (tmp_path / "a.jpg").write_bytes(b"photo")
    prior = make_prior(tmp_path / "prior")
    return Request((), (), device="cpu", prior=str(prior))


def work_with_toy(root: Path, rows: Sequence[Row]) -> Iterator[Outcome]:
    return (heads.work(root, row, TOY) for row in rows)


def batch(folder: Path, lines: str, defaults: Request) -> dict[str, Outcome]:
    """Run a table of these lines in `folder/out`; outcomes by name."""
    (folder / "people.csv").write_text(HEADING + lines)
    root = folder / "out"
    root.mkdir(exist_ok=True)
    rows = read_people(folder / "people.csv", defaults)
    said: list[str] = []
    outcomes = make_heads(root, rows, work_with_toy, said.append)
    written = json.loads((root / "batch.json").read_text())
    assert [each["state"] for each in written["heads"]] == [each.state for each in outcomes]
    assert len(said) == sum(outcome.state != "kept" for outcome in outcomes)
    return {outcome.name: outcome for outcome in outcomes}


def test_one_bad_row_does_not_stop_the_others(tmp_path: Path, defaults: Request) -> None:
    outcomes = batch(
        tmp_path,
        "Ada,a.jpg,smile,1,\n"
        "Bob,nobody.jpg,,,\n"
        "Cy,a.jpg,smlie,,\n"
        "Dee,a.jpg,,x,\n"
        "Eve,a.jpg,,,a wall\n"
        "Flo,a.jpg,,,a mistake\n"
        "Gus,a.jpg,,2,\n",
        defaults,
    )
    states = {name: outcome.state for name, outcome in outcomes.items()}
    assert states == {
        "Ada": "done",
        "Bob": "refused",
        "Cy": "refused",
        "Dee": "refused",
        "Eve": "failed",
        "Flo": "failed",
        "Gus": "done",
    }
    assert outcomes["Bob"].message.startswith("Row 3 (Bob): There is no file")
    assert "Did you mean smile" in outcomes["Cy"].message
    assert outcomes["Eve"].message == "No photo shows a face. Take one from the front."
    assert "ZeroDivisionError" in outcomes["Flo"].message
    assert outcomes["Ada"].memory > 10 << 20
    assert not (tmp_path / "out" / "Bob").exists()


def test_again_keeps_what_is_there(tmp_path: Path, defaults: Request) -> None:
    lines = "Ada,a.jpg,,1,\nEve,a.jpg,,,a wall\n"
    batch(tmp_path, lines, defaults)
    head = JobFolder(tmp_path / "out" / "Ada").head
    before = head.stat().st_mtime_ns
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")  # a finished head needs no photo any more
    # Eve's row is mended, and a third person joins.
    outcomes = batch(tmp_path, "Ada,a.jpg,,1,\nEve,b.jpg,,,\nFay,b.jpg,,,\n", defaults)
    assert [outcome.state for outcome in outcomes.values()] == ["kept", "done", "done"]
    assert head.stat().st_mtime_ns == before


def test_another_request_of_the_same_name_is_refused(tmp_path: Path, defaults: Request) -> None:
    batch(tmp_path, "Ada,a.jpg,,1,\n", defaults)
    outcome = batch(tmp_path, "Ada,a.jpg,,2,\n", defaults)["Ada"]
    assert outcome.state == "refused" and "from another request" in outcome.message


def test_killed_worker_is_said_and_resumed(tmp_path: Path, defaults: Request) -> None:
    slow = Request(**{**defaults.__dict__, "overrides": {"pause": 0.1}})
    (tmp_path / "people.csv").write_text(HEADING + "Ada,a.jpg,,1,\n")
    (row,) = read_people(tmp_path / "people.csv", slow)
    root = tmp_path / "out"
    assert heads.prepare(root, row) is None
    folder = JobFolder(root / "Ada")
    worker = subprocess.Popen([*TOY, str(folder.root)])
    while not checkpoint_of(folder).exists():
        assert worker.poll() is None
        time.sleep(0.02)
    assert "is being worked on" in (busy := heads.prepare(root, row)).message  # type: ignore[union-attr]
    assert busy is not None and busy.state == "refused"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    killed = heads.outcome_of(root, row, 1.0, worker.returncode)
    assert killed.state == "failed" and "exit code -9" in killed.message
    assert heads.prepare(root, row) is None
    assert heads.work(root, row, TOY).state == "done"
    assert int(folder.head.read_text().split()[-1]) >= 1  # not from the beginning


def test_stop_ends_the_batch_with_a_checkpoint(tmp_path: Path, defaults: Request) -> None:
    """Ctrl-C reaches the batch alone here; the worker hears of it by the cancel file."""
    (tmp_path / "people.csv").write_text(HEADING + "Ada,a.jpg,,,\nBob,a.jpg,,,\n")
    # Where tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    script = (
        "import signal, sys; from idto3d import cli; from idto3d.batch import command;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"command.RESUME = {TOY!r};"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    words = ["batch", str(tmp_path / "people.csv"), "--output", str(tmp_path / "out")]
    words += ["--prior", str(defaults.prior), "--device", "cpu", "--set", "pause=0.5"]
    program = subprocess.Popen(
        [sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True
    )
    folder = JobFolder(tmp_path / "out" / "Ada")
    while not checkpoint_of(folder).exists():
        assert program.poll() is None
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    said, _ = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "The same command goes on" in said
    states = [
        each["state"] for each in json.loads((tmp_path / "out/batch.json").read_text())["heads"]
    ]
    assert states == ["stopped", "waiting"]


def test_command(
    tmp_path: Path,
    defaults: Request,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "RESUME", TOY)
    (tmp_path / "people.csv").write_text(HEADING + "Ada,a.jpg,,1,\nBob,nobody.jpg,,,\n")
    words = ["batch", str(tmp_path / "people.csv"), "--output", str(tmp_path / "out")]
    words += ["--prior", str(defaults.prior), "--device", "cpu", "--seed", "5"]
    assert cli.main(words) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 of 2 heads are there."
    assert JobFolder(tmp_path / "out" / "Ada").read_request().seed == 1
    (tmp_path / "people.csv").write_text("name\n")
    assert cli.main(words) == 2
    assert capsys.readouterr().err.startswith("idto3d: The table")


def test_table_and_sheet(tmp_path: Path) -> None:
    outcomes = [
        Outcome(2, "Ada", "Ada", "done", 61.0),
        Outcome(3, "Bobby", "Bobby", "failed", 2.0, message="No face."),
    ]
    assert as_table(outcomes).splitlines() == [
        "row  name   state   time",
        "2    Ada    done    1 min 01 s  Ada",
        "3    Bobby  failed  2 s         No face.",
        "1 of 2 heads are there.",
    ]
    assert not write_sheet(tmp_path, outcomes)
    result = JobFolder(tmp_path / "Ada").result
    result.mkdir(parents=True)
    Image.new("RGB", (1920, 600), (200, 0, 0)).save(result / "overview.png")
    assert write_sheet(tmp_path, outcomes)
    sheet = np.asarray(Image.open(tmp_path / "heads.png"))
    assert sheet.shape == (300 + 24, 960, 3)
    assert (sheet[200, 480] == (200, 0, 0)).all()

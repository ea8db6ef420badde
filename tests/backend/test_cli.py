# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands: what they hand on, and one sentence with exit code 2 for bad input."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import idto3d
from idto3d import cli
from idto3d.errors import UserError
from idto3d.job.eventlog import read_all
from idto3d.job.protocol import Cancelled, Done, JobFolder, Request
from idto3d.job.reporter import Reporter
from tests.backend.job import toy
from tests.backend.job.test_preflight import make_prior


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A good `generate` command with a photo, a prior and an output folder in `tmp_path`."""
    (tmp_path / "a.jpg").write_bytes(b"photo")
    prior = make_prior(tmp_path / "prior")
    output = tmp_path / "out"
    return [
        *("generate", str(tmp_path / "a.jpg"), "--expressions", "smile, jaw_open,smile"),
        *("--prior", str(prior), "--output", str(output), "--device", "cpu"),
    ]


def use(monkeypatch: pytest.MonkeyPatch, generate: Callable[..., None]) -> None:
    """Let the commands find `generate` where the algorithm is."""
    monkeypatch.setitem(sys.modules, "idto3d.generate", SimpleNamespace(generate=generate))


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run bad input; returns the one line on stderr."""
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("idto3d: ")
    return lines[0]


def test_help_is_instant() -> None:
    backend = str(Path(idto3d.__file__).parents[1])
    start = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "idto3d.cli", "--help"],
        env={**os.environ, "PYTHONPATH": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - start < 5.0
    assert "generate" in answer.stdout and "doctor" in answer.stdout
    assert "torch" not in answer.stderr and "numpy" not in answer.stderr


def test_generate_then_resume(
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(monkeypatch, toy.generate)
    assert cli.main([*words, "--seed", "3", "--name", "Ada", "--set", "geometry.steps=5"]) == 0
    folder = JobFolder(tmp_path / "out")
    assert folder.read_request() == Request(
        photos=(str(tmp_path / "a.jpg"),),
        expressions=("smile", "jaw_open"),
        name="Ada",
        seed=3,
        device="cpu",
        prior=str(tmp_path / "prior"),
        overrides={"geometry.steps": 5},
    )
    assert isinstance(read_all(folder.events)[-1], Done)
    assert "toy [####" in (said := capsys.readouterr().out) and "head.glb" in said
    assert cli.main(["resume", str(folder.root), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_stopped_job_says_how_to_go_on(
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        raise Cancelled

    use(monkeypatch, stop)
    assert cli.main(words) == 130
    assert f"idto3d resume {tmp_path / 'out'}" in capsys.readouterr().err
    use(monkeypatch, toy.generate)
    assert cli.main(["resume", str(tmp_path / "out")]) == 0


def test_mistake_of_the_program_is_no_traceback(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        raise ValueError("oops")

    use(monkeypatch, broken)
    assert cli.main(words) == 1
    assert "Traceback" not in (said := capsys.readouterr().err) and "worker.log" in said


def test_missing_photo(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words[1] = str(tmp_path / "nobody.jpg")
    assert "no file" in refused(words, capsys)
    assert not (tmp_path / "out").exists()


def test_unknown_expression(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words[3] = "smlie"
    assert "Did you mean smile" in refused(words, capsys)
    assert not (tmp_path / "out").exists()


def test_damaged_prior(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prior" / "unet" / "weights.safetensors").write_bytes(b"")
    assert "is damaged" in refused(words, capsys)
    assert not (tmp_path / "out").exists()


def test_cuda_without_it(
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "CUDA was asked for" in refused([*words, "--device", "cuda"], capsys)
    assert not (tmp_path / "out").exists()


def test_output_that_cannot_be_written(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words[words.index("--output") + 1] = str(tmp_path / "a.jpg" / "out")
    assert "can't be written" in refused(words, capsys)
    assert (tmp_path / "a.jpg").read_bytes() == b"photo"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_output_without_permission(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    words[words.index("--output") + 1] = str(closed / "out")
    assert "can't be written" in refused(words, capsys)


def test_output_with_a_job(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy.make_job(tmp_path / "out")
    before = folder.request.read_bytes()
    assert "already holds a job" in refused(words, capsys)
    assert folder.request.read_bytes() == before


def test_photos_without_a_face_leave_nothing(
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        reporter.warning("a.jpg shows no face.")
        raise UserError("No photo shows a face. Take one from the front.")

    use(monkeypatch, refuse)
    assert cli.main([*words, "--quiet"]) == 2
    assert capsys.readouterr().err == "idto3d: No photo shows a face. Take one from the front.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_disk_that_fills_up(
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = toy.make_job(tmp_path / "job", prior=words[words.index("--prior") + 1])
    folder.events.symlink_to("/dev/full")
    use(monkeypatch, toy.generate)
    assert "is full" in refused(["resume", str(folder.root)], capsys)


def test_resume_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no job in" in refused(["resume", str(tmp_path)], capsys)


def test_doctor_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == int(any(check["state"] == "fail" for check in report["checks"]))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ray cluster of this machine with two workers, one of which is killed."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from idto3d.batch import heads
from idto3d.batch.people import read_people
from idto3d.batch.ray_cluster import run_on_ray
from idto3d.errors import UserError
from idto3d.job import lock
from idto3d.job.eventlog import read_all
from idto3d.job.protocol import JobFolder, Request, Started
from tests.backend.batch import toy_program
from tests.backend.job.test_preflight import make_prior


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="needs the package ray.*Install it with"):
        list(run_on_ray("local", tmp_path, [], toy_program.generate))


def test_killed_worker_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    repository = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", f"{repository / 'backend'}{os.pathsep}{repository}")
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"photo")
    (tmp_path / "people.csv").write_text(
        "name,photos,description\nAda,a.jpg,\nBob,a.jpg,\nCy,a.jpg,a wall\n"
    )
    defaults = Request(
        (), (), device="cpu", prior=str(make_prior(tmp_path / "prior")), overrides={"pause": 0.15}
    )
    rows = read_people(tmp_path / "people.csv", defaults)
    assert [heads.prepare(tmp_path, row) for row in rows] == [None, None, None]
    killed: list[int] = []

    def kill_ada() -> None:
        folder = JobFolder(tmp_path / "Ada")
        while not toy_program.checkpoint_of(folder).exists():
            time.sleep(0.05)
        owner = lock.owner(folder.lock)
        assert owner is not None
        os.kill(owner, signal.SIGKILL)
        killed.append(owner)

    killer = threading.Thread(target=kill_ada, daemon=True)
    killer.start()
    connect = ray.init
    monkeypatch.setattr(ray, "init", lambda **options: connect(num_cpus=2, **options))
    outcomes = {
        each.name: each for each in run_on_ray("local", tmp_path, rows, toy_program.generate)
    }
    killer.join()
    assert {name: each.state for name, each in outcomes.items()} == {
        "Ada": "done",
        "Bob": "done",
        "Cy": "failed",
    }
    assert "No photo shows a face" in outcomes["Cy"].message
    workers = [
        each.pid
        for each in read_all(JobFolder(tmp_path / "Ada").events)
        if isinstance(each, Started)
    ]
    assert workers[0] == killed[0] and len(workers) == 2 and workers[1] != killed[0]

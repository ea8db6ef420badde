# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as Blender sees it, with a worker that plays every way in which a job can go."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.addon import extension
from tests.addon.mock_backend import MockBackend

jobs_module = extension.load("addon.jobs")
process = extension.load("addon.process")
protocol = extension.load("backend.idto3d.job.protocol")
lock = extension.load("backend.idto3d.job.lock")
Job, Jobs = jobs_module.Job, jobs_module.Jobs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the mock is a shell script")


@pytest.fixture
def mock(tmp_path: Path) -> MockBackend:
    return MockBackend(tmp_path / "mock")


@pytest.fixture
def jobs(tmp_path: Path) -> Any:
    return Jobs(tmp_path / "jobs")


def request(name: str = "Ada") -> Any:
    return protocol.Request(photos=("/a.jpg",), expressions=("smile", "jaw_open"), name=name)


def launcher(mock: MockBackend) -> Callable[[Any], "subprocess.Popen[bytes]"]:
    return lambda folder: process.start(
        mock.command("resume", str(folder.root), "--quiet"), folder.log
    )


def wait(jobs: Any, true: Callable[[], bool], seconds: float = 40.0) -> None:
    """Poll as the timer does until something is true."""
    end = time.time() + seconds
    while not true():
        assert time.time() < end, [job.state for job in jobs]
        jobs.poll(time.time())
        time.sleep(0.02)


def run(jobs: Any, mock: MockBackend, until: Callable[[Any], bool]) -> Any:
    """Make a job, start it, follow it until it is as wanted."""
    job = jobs.create(request(), time.time())
    assert jobs.launch_next(launcher(mock), time.time()) is job
    assert job.state.phase == "starting"
    wait(jobs, lambda: until(job.state))
    return job


def ended(state: Any) -> bool:
    return state.phase in ("done", "failed", "dead", "stopped")


def test_done(jobs: Any, mock: MockBackend) -> None:
    seen = set()

    def until(state: Any) -> bool:
        seen.add((state.phase, state.stage))
        return ended(state)

    job = run(jobs, mock, until)
    assert job.state.phase == "done" and job.folder.head.is_file()
    assert {("running", "geometry"), ("running", "texture")} <= seen
    assert job.state.warnings == ("photo.png: the face is small.",)
    assert job.state.picture == job.folder.result / "overview.png"
    assert job.state.preview is not None and job.state.preview.suffix == ".glb"
    assert 0.0 < job.state.elapsed(time.time() + 1000.0) < 20.0
    left = [path.name for path in job.folder.root.iterdir()]
    assert not {"lock", "queued", "launched", "cancel", "finish"} & set(left)


@pytest.mark.parametrize(
    ("scenario", "phase", "words"),
    [
        ("error", "failed", "No photo shows a face."),
        ("memory", "failed", "not enough memory"),
        ("killed", "dead", "memory ran out"),
        ("crash", "dead", f"crashed (signal {int(signal.SIGSEGV)})"),
        ("mute", "dead", "No module named 'torch'"),
    ],
)
def test_ends_without_a_head_say_why(
    jobs: Any, mock: MockBackend, scenario: str, phase: str, words: str
) -> None:
    mock.play(scenario)
    job = run(jobs, mock, ended)
    assert job.state.phase == phase and words in job.state.cause and job.state.remedy
    # Who opens the folder later sees the same end, and can go on.
    later = Jobs(jobs.root)
    wait(later, lambda: len(later) == 1 and ended(later.get(job.id).state))
    assert later.get(job.id).state.phase == phase and later.get(job.id).resumable
    mock.play("done")
    job.enqueue()
    assert jobs.launch_next(launcher(mock), time.time()) is job
    wait(jobs, lambda: ended(job.state))
    assert job.state.phase == "done" and job.state.cause == ""


def test_death_is_noticed_within_five_seconds(jobs: Any, mock: MockBackend) -> None:
    mock.play("silence")
    job = run(jobs, mock, lambda state: state.step == 4)
    other = Jobs(jobs.root)  # another Blender, whose child the worker is not
    wait(other, lambda: len(other) == 1 and other.get(job.id).state.phase == "running")
    os.kill(lock.owner(job.folder.lock), signal.SIGKILL)
    began = time.time()
    wait(other, lambda: other.get(job.id).state.phase == "dead", 5.0)
    wait(jobs, lambda: job.state.phase == "dead", 5.0)
    assert time.time() - began < 5.0
    assert "without a word" in other.get(job.id).state.cause
    assert "Resume" in other.get(job.id).state.remedy


def test_silence_is_told_and_can_be_ended(jobs: Any, mock: MockBackend) -> None:
    mock.play("silence")
    job = run(jobs, mock, lambda state: state.step == 4)
    now = time.time()
    assert job.state.silent(now) == 0.0
    assert job.state.silent(now + 200.0) == pytest.approx(200.0, abs=5.0)
    job.cancel()
    assert job.state.stopping and not job.stop_is_late(now)
    assert job.stop_is_late(now + 60.0)
    job.end()
    wait(jobs, lambda: ended(job.state), 5.0)
    assert job.state.phase == "dead" and lock.owner(job.folder.lock) is None


def test_garbage_in_the_log_is_skipped(jobs: Any, mock: MockBackend) -> None:
    mock.play("corrupt")
    assert run(jobs, mock, ended).state.phase == "done"


def test_cancel_then_resume_goes_on(jobs: Any, mock: MockBackend) -> None:
    job = run(jobs, mock, lambda state: state.step == 3)
    job.cancel()
    wait(jobs, lambda: ended(job.state))
    assert job.state.phase == "stopped" and not job.folder.cancel.exists()
    worked = job.state.elapsed(time.time())
    assert job.resumable
    job.enqueue()
    steps = []
    jobs.launch_next(launcher(mock), time.time() + 500.0)

    def until() -> bool:
        if job.state.stage == "geometry" and job.state.began:
            steps.append(job.state.step)
        return ended(job.state)

    wait(jobs, until)
    assert job.state.phase == "done" and steps[0] >= 3
    assert job.state.elapsed(time.time()) > worked


def test_keep_this(jobs: Any, mock: MockBackend) -> None:
    mock.play("done", pause=0.1)
    job = run(jobs, mock, lambda state: state.step == 2)
    job.finish()
    assert job.state.finishing
    wait(jobs, lambda: ended(job.state))
    assert job.state.phase == "done" and job.state.elapsed(0.0) < 1.5
    assert not job.folder.finish.exists() and not job.state.finishing


def test_queue_runs_in_its_order_one_at_a_time(jobs: Any, mock: MockBackend) -> None:
    mock.play("done", pause=0.01)
    names = ["Ada", "Grace", "Emmy"]
    made = []
    for name in names:
        made.append(jobs.create(request(name), time.time()))
        time.sleep(0.02)
    assert len({job.id for job in made}) == 3
    assert [job.name for job in jobs.queue] == names
    order: list[str] = []

    def all_done() -> bool:
        started = jobs.launch_next(launcher(mock), time.time())
        if started is not None:
            order.append(started.name)
        assert sum(job.state.active for job in jobs) <= 1
        return all(job.state.phase == "done" for job in made)

    wait(jobs, all_done, 60.0)
    assert order == names


def test_two_blenders_start_a_job_once(jobs: Any, mock: MockBackend) -> None:
    mock.play("done", pause=0.05)
    job = jobs.create(request(), time.time())
    other = Jobs(jobs.root)
    other.poll(time.time())
    assert other.get(job.id).state.phase == "queued"
    assert jobs.launch_next(launcher(mock), time.time()) is job
    assert other.launch_next(launcher(mock), time.time()) is None
    other.poll(time.time() + 2.0)
    assert other.get(job.id).state.active
    wait(jobs, lambda: ended(job.state))
    wait(other, lambda: ended(other.get(job.id).state))
    assert other.get(job.id).state.phase == "done"


def test_withdrawn_from_the_queue(jobs: Any, mock: MockBackend) -> None:
    job = jobs.create(request(), time.time())
    job.withdraw()
    assert jobs.queue == [] and jobs.launch_next(launcher(mock), time.time()) is None
    jobs.poll(time.time() + 2.0)
    assert job.resumable


def test_a_blender_that_died_while_launching(jobs: Any) -> None:
    job = jobs.create(request(), time.time())
    os.rename(job.folder.root / "queued", job.folder.root / "launched")
    later = Jobs(jobs.root)
    later.poll(time.time())
    assert later.get(job.id).state.phase == "starting"
    later.poll(time.time() + 100.0)
    assert later.get(job.id).state.phase == "dead" and later.get(job.id).resumable


def test_program_that_can_not_be_started(jobs: Any) -> None:
    job = jobs.create(request(), time.time())

    def launch(folder: Any) -> "subprocess.Popen[bytes]":
        return process.start(["/no/such/program"], folder.log)

    with pytest.raises(OSError):
        jobs.launch_next(launch, time.time())
    assert job.state.phase == "failed" and "can't be started" in job.state.cause
    jobs.poll(time.time() + 5.0)
    assert job.state.phase == "failed"


def test_history_sees_folders_come_and_go(jobs: Any, mock: MockBackend) -> None:
    job = run(jobs, mock, ended)
    second = jobs.create(request("Grace"), time.time() + 5.0)
    later = Jobs(jobs.root)
    (jobs.root / ".trial-draft").mkdir()
    shutil.copy(job.folder.request, jobs.root / ".trial-draft")
    later.poll(time.time())
    assert {found.id for found in later} == {job.id, second.id}
    jobs.delete(job)
    assert not job.folder.root.exists() and len(jobs) == 1
    later.poll(time.time() + 5.0)
    assert [found.id for found in later] == [second.id]
    assert later.get(job.id) is None


def test_unreadable_request_does_not_hide_the_job(jobs: Any) -> None:
    broken = jobs.root / "broken"
    broken.mkdir(parents=True)
    (broken / "request.json").write_text("{")
    jobs.poll(time.time())
    job = jobs.get("broken")
    assert job.name == "broken" and job.request is None and not job.resumable


def test_nothing_new_costs_little(jobs: Any) -> None:
    for number in range(50):
        folder = protocol.JobFolder(jobs.root / f"job-{number}")
        folder.write_request(request())
        folder.events.write_text(protocol.encode(protocol.Done("result/head.glb"), 1.0) + "\n")
    now = time.time()
    jobs.poll(now)
    times = []
    for index in range(50):
        began = time.perf_counter()
        assert jobs.poll(now + 2.0 * index) == [] or index == 0  # the dear kind: all are looked at
        times.append(time.perf_counter() - began)
    times.sort()
    assert times[25] < 0.01


def test_killed_at_any_moment_nothing_is_lost(jobs: Any, mock: MockBackend) -> None:
    """Kill the worker at random moments; each time the job says so and goes on to its end."""
    mock.play("done", pause=0.12)
    chance = random.Random(5)
    job = jobs.create(request(), time.time())
    kills, reached = 0, 0
    while job.state.phase != "done":
        if job.state.phase != "queued":
            job.enqueue()
        assert jobs.launch_next(launcher(mock), time.time()) is job
        moment = time.time() + chance.uniform(0.0, 0.3)
        wait(jobs, lambda moment=moment: time.time() > moment or ended(job.state))
        if job.state.active and kills < 20:
            job.end()
            kills += 1
        wait(jobs, lambda: ended(job.state))
        checkpoint = job.folder.checkpoint / "geometry.json"
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        assert done >= reached
        reached = done
        assert lock.owner(job.folder.lock) is None
    # A slow machine comes farther between two kills.
    assert kills >= 10 and not job.folder.lock.exists()


def test_the_worker_outlives_who_started_it(tmp_path: Path, mock: MockBackend) -> None:
    """A Blender that is killed leaves its worker at work; the next one finds it."""
    mock.play("done", pause=0.1)
    root = tmp_path / "jobs"
    code = (
        "import sys, time; sys.path[:0] = [sys.argv[1]]\n"
        "from tests.addon import test_jobs as t\n"
        "from pathlib import Path\n"
        "mock = t.MockBackend(Path(sys.argv[3])); mock.play('done', pause=0.1)\n"
        "jobs = t.Jobs(Path(sys.argv[2])); jobs.create(t.request(), time.time())\n"
        "jobs.launch_next(t.launcher(mock), time.time()); print('on', flush=True); time.sleep(60)\n"
    )
    words = [sys.executable, "-c", code, str(extension.ROOT), str(root), str(tmp_path / "mock")]
    blender = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert blender.stdout is not None and blender.stdout.readline() == "on\n"
    blender.kill()
    blender.wait()
    blender.stdout.close()
    jobs = Jobs(root)
    wait(jobs, lambda: len(jobs) == 1 and all(job.state.phase == "running" for job in jobs))
    wait(jobs, lambda: all(ended(job.state) for job in jobs))
    assert [job.state.phase for job in jobs] == ["done"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way a job can end leaves a folder that says so, and one that can go on."""

import errno
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from idto3d.errors import UserError
from idto3d.job import worker
from idto3d.job.eventlog import read_all
from idto3d.job.protocol import (
    Cancelled,
    Done,
    Failed,
    JobFolder,
    Progress,
    Request,
    Started,
    Stopped,
    Used,
)
from idto3d.job.reporter import Reporter
from tests.backend.job import toy

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


def leftovers(folder: JobFolder) -> list[Path]:
    return [path for path in (folder.lock, folder.cancel) if path.exists()]


@pytest.fixture
def truth(tmp_path: Path) -> str:
    """The toy's result without any interruption."""
    folder = toy.make_job(tmp_path / "truth")
    worker.run(folder, toy.generate)
    return folder.head.read_text()


def test_done(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")
    worker.run(folder, toy.generate)
    events = read_all(folder.events)
    assert events[0] == Started(os.getpid())
    assert events[-1] == Done("result/head.glb")
    used = events[-2]
    assert isinstance(used, Used) and used.memory > 10 << 20
    assert leftovers(folder) == []


def test_wish_to_finish_ends_with_the_job(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")
    folder.finish.touch()
    worker.run(folder, toy.generate)
    assert not folder.finish.exists()


def interrupt(request: Request, folder: JobFolder, reporter: Reporter) -> None:
    class AtStep20:
        def __getattr__(self, name: str) -> object:
            return getattr(reporter, name)

        def step(self, n: int, **metrics: float) -> None:
            reporter.step(n, **metrics)
            if n == 20:
                os.kill(os.getpid(), signal.SIGINT)

    toy.generate(request, folder, AtStep20())  # type: ignore[arg-type]


@posix
def test_ctrl_c_stops_cleanly_and_resumes_to_the_same(tmp_path: Path, truth: str) -> None:
    folder = toy.make_job(tmp_path / "job")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Cancelled):
        worker.run(folder, interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert read_all(folder.events)[-1] == Stopped()
    assert leftovers(folder) == [] and not folder.head.exists()
    worker.run(folder, toy.generate)
    resumed = read_all(folder.events)
    start = resumed.index(Stopped())
    steps = [event.step for event in resumed[start:] if isinstance(event, Progress)]
    assert steps[1] == 21  # after the stage's own 0
    assert folder.head.read_text() == truth


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own answer to Ctrl-C: a shell starts background jobs deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@posix
@pytest.mark.usefixtures("interruptible")
def test_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")

    def deaf(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("went on")

    with pytest.raises(Cancelled):
        worker.run(folder, deaf)
    assert read_all(folder.events)[-1] == Stopped()
    assert leftovers(folder) == []


def test_wish_to_stop_from_before_the_start_is_old(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")
    folder.cancel.touch()
    worker.run(folder, toy.generate)
    assert folder.head.exists()


@posix
def test_kill_and_resume_gives_the_same(tmp_path: Path, truth: str) -> None:
    folder = toy.make_job(tmp_path / "job", overrides={"pause": 0.01})
    fork = multiprocessing.get_context("fork")
    for wait in (0.15, 0.3):
        process = fork.Process(target=work_alone, args=(folder,))
        process.start()
        while not any(folder.checkpoint.glob("*.safetensors")):
            time.sleep(0.005)
        time.sleep(wait)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL and folder.lock.exists()
    worker.run(folder, toy.generate)
    assert folder.head.read_text() == truth
    assert leftovers(folder) == []


def work_alone(folder: JobFolder) -> None:
    torch.set_num_threads(1)
    worker.run(folder, toy.generate)


def test_user_error_is_split_into_cause_and_remedy(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")

    def refuse(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        raise UserError("No photo shows a face. Take one from the front.")

    with pytest.raises(UserError):
        worker.run(folder, refuse)
    assert read_all(folder.events)[-1] == Failed(
        "No photo shows a face.", "Take one from the front."
    )
    assert not folder.log.exists()


def test_mistake_goes_to_the_log(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")

    def broken(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        raise ValueError("first line\nsecond line")

    with pytest.raises(worker.InternalError, match="ValueError: first line"):
        worker.run(folder, broken)
    failed = read_all(folder.events)[-1]
    assert isinstance(failed, Failed) and "Traceback" not in failed.cause + failed.remedy
    assert "worker.log" in failed.remedy
    assert "in broken" in folder.log.read_text()
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk of"),
        (MemoryError(), "not enough memory"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
    ],
)
def test_errors_of_the_machine_have_a_remedy(tmp_path: Path, error: Exception, words: str) -> None:
    folder = toy.make_job(tmp_path / "job")

    def fail(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        raise error

    with pytest.raises(UserError, match=words):
        worker.run(folder, fail)
    failed = read_all(folder.events)[-1]
    assert isinstance(failed, Failed) and words in failed.cause and failed.remedy


@linux
def test_disk_full_before_the_first_event(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")
    folder.events.symlink_to("/dev/full")
    with pytest.raises(UserError, match="disk of .* is full"):
        worker.run(folder, toy.generate)
    assert leftovers(folder) == []


def test_job_of_a_living_worker_is_refused(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job")

    def again(request: Request, folder: JobFolder, reporter: Reporter) -> None:
        worker.run(folder, toy.generate)

    with pytest.raises(UserError, match="being worked on"):
        worker.run(folder, again)

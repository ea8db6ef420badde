# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker at a time, and a dead one doesn't keep the job."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d.job import lock


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def write_lock(path: Path, pid: int, start: str | None) -> None:
    path.write_text(json.dumps({"pid": pid, "start": start}))


def test_held_while_in_the_block_only(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert lock.owner(path) is None
    with lock.held(path):
        assert lock.owner(path) == os.getpid()
    assert not path.exists()


def test_released_after_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), lock.held(path):
        raise ZeroDivisionError
    assert not path.exists()


def test_living_owner_refuses(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "lock"
    write_lock(path, sleeper.pid, lock.process_start(sleeper.pid))
    with pytest.raises(UserError, match=f"process {sleeper.pid}"), lock.held(path):
        pass
    assert lock.owner(path) == sleeper.pid


def test_killed_owner_is_replaced(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "lock"
    write_lock(path, sleeper.pid, lock.process_start(sleeper.pid))
    sleeper.kill()
    if sys.platform == "linux":
        # Dead but not yet collected by this process: a zombie does no work.
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert lock.owner(path) is None
    sleeper.wait()
    assert lock.owner(path) is None
    with lock.held(path):
        assert lock.owner(path) == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_another_process_with_the_same_id_is_no_owner(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    write_lock(path, os.getpid(), "another boot:1")
    assert lock.owner(path) is None
    with lock.held(path):
        assert lock.owner(path) == os.getpid()


def test_lock_cut_off_by_a_kill_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "SETTLE_SECONDS", 0.0)
    path = tmp_path / "lock"
    path.write_text('{"pid": ')
    with lock.held(path):
        assert lock.owner(path) == os.getpid()


def test_start_is_stable_and_distinct(sleeper: subprocess.Popen[bytes]) -> None:
    own = lock.process_start(os.getpid())
    assert own is not None and own == lock.process_start(os.getpid())
    assert lock.process_start(sleeper.pid) not in (None, own)


@pytest.mark.skipif(sys.platform == "win32", reason="no ps")
def test_start_by_ps(sleeper: subprocess.Popen[bytes]) -> None:
    assert lock._start_ps(sleeper.pid) == lock._start_ps(sleeper.pid) is not None
    sleeper.kill()
    sleeper.wait()
    assert lock._start_ps(sleeper.pid) is None


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    write_lock(path, 2**22 + 1, "dead")
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from idto3d.errors import UserError\n"
        "from idto3d.job import lock\n"
        "try:\n"
        "    with lock.held(Path(sys.argv[1])):\n"
        "        print('won', flush=True)\n"
        "        sys.stdin.read()\n"
        "except UserError:\n"
        "    print('lost', flush=True)\n"
    )
    backend = str(Path(lock.__file__).parents[2])
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": backend},
        )
        for _ in range(6)
    ]
    answers = [process.stdout.readline().strip() for process in contenders if process.stdout]
    for process in contenders:
        process.communicate("")
    assert sorted(answers) == ["lost"] * 5 + ["won"]
    assert not path.exists()

# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint gives back every bit, and a kill at any moment leaves a whole one."""

import errno
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from idto3d.job import checkpoints
from idto3d.job.checkpoints import KEEP, Checkpoints


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and all(
            equal(a, b) for a, b in zip(left, right, strict=True)
        )
    return type(left) is type(right) and left == right


def test_state_comes_back_bit_by_bit(tmp_path: Path) -> None:
    shared = torch.arange(12.0).reshape(3, 4)
    state = {
        "half": torch.randn(5).half(),
        "bfloat": torch.randn(5).bfloat16(),
        "bytes": torch.Generator().manual_seed(3).get_state(),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "transposed": shared.T,
        "shared": shared,
        "nested": {1: torch.tensor([1]), "1": torch.tensor([2]), "a/b": (1, [2.5, None, "x"])},
        "step": 12,
        "flag": True,
        "rate": 1e-4,
    }
    Checkpoints(tmp_path).save(state)
    loaded = Checkpoints(tmp_path).load()
    assert loaded is not None and equal(loaded, state)


def test_optimizer_goes_on_the_same(tmp_path: Path) -> None:
    def steps(module: torch.nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            module(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    module = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    steps(module, optimizer, 3)
    Checkpoints(tmp_path).save({"m": module.state_dict(), "o": optimizer.state_dict()})
    other = torch.nn.Linear(3, 4)
    other_optimizer = torch.optim.Adam(other.parameters(), lr=0.5)
    state = Checkpoints(tmp_path).load()
    assert state is not None
    other.load_state_dict(state["m"])
    other_optimizer.load_state_dict(state["o"])
    steps(module, optimizer, 3)
    steps(other, other_optimizer, 3)
    assert torch.equal(module.weight, other.weight)


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent").load() is None


def test_damaged_newest_falls_back(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        newest = store.save({"step": step, "values": torch.full((100,), float(step))})
    assert len(list(tmp_path.iterdir())) == KEEP
    newest.write_bytes(newest.read_bytes()[:-7])
    state = store.load()
    assert state is not None and state["step"] == 2
    assert torch.equal(state["values"], torch.full((100,), 2.0))


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="can't hold set"):
        Checkpoints(tmp_path).save({"names": {"a"}})


def test_due_after_the_interval(tmp_path: Path) -> None:
    assert not Checkpoints(tmp_path, interval_seconds=1000.0).due()
    assert Checkpoints(tmp_path, interval_seconds=0.0).due()


def test_full_disk_keeps_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Checkpoints(tmp_path)
    store.save({"step": 1})

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        store.save({"step": 2, "values": torch.zeros(10)})
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["000001.safetensors"]
    assert store.load() == {"step": 1}


def test_system_error_is_found_in_the_librarys_text() -> None:
    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert checkpoints._errno(text) == errno.ENOSPC


def save_for_ever(folder: Path) -> None:
    torch.set_num_threads(1)
    store = Checkpoints(folder)
    state = store.load() or {"step": 0}
    step = state["step"]
    while True:
        step += 1
        store.save({"step": step, "values": torch.full((50_000,), float(step))})


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    draw = random.Random(0)
    fork = multiprocessing.get_context("fork")
    reached = 0
    for _ in range(12):
        process = fork.Process(target=save_for_ever, args=(tmp_path,))
        process.start()
        while not any(tmp_path.glob("*.safetensors")):
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.15))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        state = Checkpoints(tmp_path).load()
        assert state is not None
        assert torch.equal(state["values"], torch.full((50_000,), float(state["step"])))
        assert state["step"] >= reached
        reached = state["step"]
    assert reached > 12
    # The next save clears what a kill left behind.
    Checkpoints(tmp_path).save({"step": reached + 1})
    assert not list(tmp_path.glob("*.tmp*"))
    assert len(list(tmp_path.iterdir())) == KEEP

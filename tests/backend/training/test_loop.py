# SPDX-License-Identifier: GPL-3.0-or-later
"""Budget, learning rate, precision, and stopping on a signal."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from idto3d.errors import UserError
from idto3d.training.checkpoint import Counters
from idto3d.training.loop import choose_precision, learning_rate_at, progress_of, train_loop
from idto3d.training.settings import RunSettings


def test_first_limit_counts() -> None:
    both = RunSettings(minutes=10, samples=100)
    assert progress_of(both, Counters(samples=20), elapsed=60) == 0.2
    assert progress_of(both, Counters(samples=20), elapsed=300) == 0.5
    assert progress_of(both, Counters(samples=500), elapsed=0) == 1


def test_learning_rate_warms_up_then_falls() -> None:
    run = RunSettings(learning_rate=1.0, warmup_steps=10, final_learning_rate=0.1)
    assert learning_rate_at(run, 0, 0) == pytest.approx(0.1)
    assert learning_rate_at(run, 100, 0) == pytest.approx(1.0)
    assert learning_rate_at(run, 100, 0.5) == pytest.approx(0.55)
    assert learning_rate_at(run, 100, 1) == pytest.approx(0.1)


def test_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert choose_precision("auto", cpu) == "no"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert choose_precision("auto", cpu) == "bf16"
    assert choose_precision("fp32", cpu) == "no"
    with pytest.raises(UserError, match="Use auto, fp32"):
        choose_precision("int8", cpu)


class _Run:
    """A loop around a step that costs nothing."""

    def __init__(self, folder: Path, run: RunSettings) -> None:
        self.counters, self.saved, self.sheets, self.rates = Counters(), [], 0, []
        self.folder, self.run = folder, run
        self.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
        self.stop_at = self.enough_sheets = -1

    def step(self) -> tuple[dict[str, torch.Tensor], int]:
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        if self.counters.step == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return {"loss": torch.tensor(float(self.counters.step))}, 2

    def save(self) -> None:
        self.saved.append(self.counters.samples)

    def sheet(self) -> bool:
        self.sheets += 1
        return self.sheets == self.enough_sheets

    def start(self) -> None:
        train_loop(
            Accelerator(),
            self.run,
            self.folder,
            "toy",
            self.counters,
            self.optimizer,
            self.step,
            self.save,
            self.sheet,
        )


def test_runs_to_the_last_sample_and_logs(tmp_path: Path) -> None:
    run = _Run(tmp_path, RunSettings(samples=20, warmup_steps=1, learning_rate=0.5))
    run.start()
    assert run.counters.samples == 20
    assert run.saved == [20]
    assert run.sheets == 1
    assert run.rates[0] == 0.5
    assert sorted(run.rates, reverse=True) == run.rates
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert records[-1]["samples"] == 20
    assert records[-1]["loss"] == pytest.approx(4.5)


def test_sheet_may_end_it(tmp_path: Path) -> None:
    run = _Run(tmp_path, RunSettings(samples=1000, sheet_minutes=0.0))
    run.enough_sheets = 3
    run.start()
    assert run.counters.step == 3
    assert run.saved == [6] and run.sheets == 4  # the last one is the end's


def test_interrupt_finishes_the_step_and_saves(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    run = _Run(tmp_path, RunSettings(samples=1000))
    run.stop_at = 3
    run.start()
    assert run.counters.step == 4
    assert run.saved == [8]
    assert signal.getsignal(signal.SIGINT) is before

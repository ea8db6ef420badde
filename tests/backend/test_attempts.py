# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of memory: one step down with the same draws, then a sentence; no GPU is needed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from idto3d.attempts import Attempts
from idto3d.errors import UserError
from idto3d.job.protocol import JobFolder, Request
from idto3d.prior.memory import MemoryPlan
from idto3d.run import Run, open_run, plan_for
from idto3d.settings import settings_for
from tests.backend.tiny_job import Recorder


class Step:
    """Takes a draw; runs out of memory as often as it is told."""

    def __init__(self, generator: torch.Generator, failures: int) -> None:
        self.generator, self.failures = generator, failures
        self.draws: list[float] = []

    def __call__(self, guide: Any) -> dict[str, torch.Tensor]:
        self.draws.append(float(torch.rand((), generator=self.generator)))
        if self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"loss": torch.tensor(self.draws[-1])}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = JobFolder(tmp_path)
    folder.write_request(request := Request(photos=("a.jpg",), expressions=(), device="cpu"))
    return open_run(request, folder, Recorder())


def attempts_of(run: Run, failures: int) -> tuple[Attempts, Step, list[tuple[str, MemoryPlan]]]:
    opened: list[tuple[str, MemoryPlan]] = []
    generator = torch.Generator().manual_seed(0)

    def open_guide(domain: str) -> Any:
        opened.append((domain, run.plan))
        return object()

    return Attempts(run, open_guide, "albedo", generator), Step(generator, failures), opened


def test_a_step_that_fits_is_taken_once(run: Run) -> None:
    attempts, step, opened = attempts_of(run, 0)
    assert float(attempts.take(step)["loss"]) == step.draws[0]
    assert len(opened) == 1 and run.plan == MemoryPlan() and not run.stepped_down


def test_first_time_it_goes_on_leaner_with_the_same_draws(run: Run) -> None:
    attempts, step, opened = attempts_of(run, 1)
    attempts.take(step)
    assert step.draws[0] == step.draws[1]
    assert opened == [("albedo", MemoryPlan()), ("albedo", MemoryPlan(half=True))]
    (warning,) = run.reporter.warnings  # type: ignore[attr-defined]
    assert "Going on slower: 16 bits" in warning
    attempts.take(step)
    assert len(set(step.draws)) == 2


def test_second_time_is_the_end(run: Run) -> None:
    attempts, step, _ = attempts_of(run, 2)
    with pytest.raises(UserError, match="memory is full.*--device cpu"):
        attempts.take(step)


def test_later_it_is_the_end_too(run: Run) -> None:
    attempts, step, _ = attempts_of(run, 1)
    attempts.take(step)
    step.failures = 1
    with pytest.raises(UserError, match="memory is full"):
        attempts.take(step)


def test_other_mistakes_are_not_hidden(run: Run) -> None:
    attempts, _, _ = attempts_of(run, 0)

    def broken(guide: Any) -> dict[str, torch.Tensor]:
        raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        attempts.take(broken)


def test_change_of_domain_opens_once(run: Run) -> None:
    attempts, _, opened = attempts_of(run, 0)
    attempts.change_domain("albedo")
    attempts.change_domain("photo")
    attempts.change_domain("photo")
    assert [domain for domain, _ in opened] == ["albedo", "photo"]


def test_limit_needs_a_gpu() -> None:
    settings = settings_for("paper", {})
    with pytest.raises(UserError, match="--vram limits a GPU's memory"):
        plan_for(Path("prior"), settings, torch.device("cpu"), 8.0)


def test_limit_holds_torch_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be asked of a GPU with 24 GB, of which 20 are free."""
    from idto3d.prior.random_prior import write_random_prior

    write_random_prior(tmp_path)
    gigabyte, fractions = 1 << 30, []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (20 * gigabyte, 24 * gigabyte))
    monkeypatch.setattr(
        torch.cuda,
        "set_per_process_memory_fraction",
        lambda fraction, device: fractions.append(fraction),
    )
    settings, cuda = settings_for("paper", {}), torch.device("cuda")
    assert plan_for(tmp_path, settings, cuda, None) == MemoryPlan(half=True)
    assert fractions == []
    assert plan_for(tmp_path, settings, cuda, 8.0) == MemoryPlan(half=True)
    assert fractions == [pytest.approx(8 / 24)]
    with pytest.raises(UserError, match="even at its leanest"):
        plan_for(tmp_path, settings, cuda, 0.5)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Small trainings that stop and go on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from idto3d.training import regression
from idto3d.training.regression import save_network, schedule, train


def line() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(3, 1)


def test_schedule() -> None:
    shares = [schedule(step, 1000) for step in range(1000)]
    assert 0 < shares[0] < 0.02 and max(shares) > 0.95 and shares[-1] < 1e-4
    assert all(a > b for a, b in zip(shares[150:], shares[151:], strict=False))


def test_two_calls_equal_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regression, "SAVE_EVERY", 10)

    def run(network: nn.Linear, state: Path, last: int) -> list[float]:
        def loss_at(step: int) -> Tensor:
            if step == last:
                raise KeyboardInterrupt
            x = torch.from_numpy(np.random.default_rng(step).normal(size=(8, 3))).float()
            return ((network(x) - x @ torch.tensor([[1.0], [2.0], [3.0]])) ** 2).mean()

        return train(network, loss_at, 40, 0.1, state)

    whole, halves = line(), line()
    losses = run(whole, tmp_path / "whole", 99)
    with pytest.raises(KeyboardInterrupt):
        run(halves, tmp_path / "halves", 25)
    again = line()
    assert run(again, tmp_path / "halves", 99) == losses[20:]  # from the last state kept
    assert torch.equal(whole.weight, again.weight)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_weights_are_written_in_half_precision(tmp_path: Path) -> None:
    network = nn.BatchNorm2d(4)
    save_network(network, tmp_path / "folder" / "weights.safetensors")
    read = load_file(tmp_path / "folder" / "weights.safetensors")
    assert read["weight"].dtype == torch.float16
    assert read["num_batches_tracked"].dtype == torch.int64
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["weights.safetensors"]

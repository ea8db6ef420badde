# SPDX-License-Identifier: GPL-3.0-or-later
"""The training state: stopping and going on is the same as never having stopped."""

from pathlib import Path

import pytest
import torch
from torch import nn

from idto3d.errors import UserError
from idto3d.training.checkpoint import Counters, has_state, load_state, save_state
from idto3d.training.ema import MovingAverage


class _Toy:
    """Everything that a stage's state consists of, around a linear regression."""

    def __init__(self, width: int = 3) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(width, 1)
        self.parameters = dict(self.model.named_parameters())
        self.average = MovingAverage(self.parameters, 0.9)
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=0.1)
        self.generator = torch.Generator().manual_seed(0)
        self.counters = Counters()

    def train(self, steps: int) -> None:
        for _ in range(steps):
            inputs = torch.randn(4, 3, generator=self.generator)
            (self.model(inputs) - inputs.sum(1, keepdim=True)).square().mean().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.counters.step += 1
            self.counters.samples += 4
            self.average.update(self.counters.step)

    def state(self) -> tuple:
        return self.parameters, self.average, self.optimizer, self.generator


def test_resumed_training_equals_uninterrupted(tmp_path: Path) -> None:
    straight, first, second = _Toy(), _Toy(), _Toy()
    straight.train(20)
    first.train(12)
    save_state(tmp_path, first.counters, *first.state())
    second.counters = load_state(tmp_path, *second.state())
    assert second.counters == first.counters
    second.train(8)
    for name, parameter in straight.parameters.items():
        assert torch.equal(parameter, second.parameters[name])
        assert torch.equal(straight.average.average[name], second.average.average[name])


def test_only_the_latest_state_is_kept(tmp_path: Path) -> None:
    toy = _Toy()
    assert not has_state(tmp_path)
    for _ in range(3):
        toy.train(1)
        save_state(tmp_path, toy.counters, *toy.state())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["state-12.safetensors", "state.json"]


def test_kill_while_writing_leaves_the_previous_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = _Toy()
    toy.train(1)
    save_state(tmp_path, toy.counters, *toy.state())
    toy.train(1)

    def killed(tensors: dict, path: Path) -> None:
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr("idto3d.training.checkpoint.save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path, toy.counters, *toy.state())
    assert load_state(tmp_path, *_Toy().state()).step == 1


def test_state_of_another_model_is_refused(tmp_path: Path) -> None:
    toy = _Toy()
    toy.train(1)
    save_state(tmp_path, toy.counters, *toy.state())
    with pytest.raises(UserError, match="does not fit the model .weight."):
        load_state(tmp_path, *_Toy(width=4).state())


def test_new_words_get_rows(tmp_path: Path) -> None:
    """The rows that were saved go on; the new ones begin as the fresh model has them."""

    class Words(_Toy):
        def __init__(self, words: int) -> None:
            super().__init__()
            self.model = nn.Embedding(words, 4)
            self.parameters = dict(self.model.named_parameters())
            self.average = MovingAverage(self.parameters, 0.9)
            self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=0.1)

        def learn(self) -> None:
            self.model.weight.sum().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update(1)

    old, new = Words(3), Words(5)
    old.learn()
    save_state(tmp_path, old.counters, *old.state())
    fresh = new.model.weight.detach().clone()
    load_state(tmp_path, *new.state(), growing=["weight"])
    assert torch.equal(new.model.weight[:3], old.model.weight)
    assert torch.equal(new.model.weight[3:], fresh[3:])
    assert torch.equal(new.average.average["weight"][3:], fresh[3:])
    moments = new.optimizer.state[new.model.weight]
    assert torch.equal(moments["exp_avg"][:3], old.optimizer.state[old.model.weight]["exp_avg"])
    assert moments["exp_avg"].shape == (5, 4) and moments["exp_avg"][3:].abs().max() == 0
    new.learn()


def test_average_follows_and_gives_the_parameters_back() -> None:
    toy = _Toy()
    toy.train(30)
    own = {name: p.detach().clone() for name, p in toy.parameters.items()}
    with toy.average.applied():
        assert torch.equal(toy.model.weight, toy.average.average["weight"])
        assert not torch.equal(toy.model.weight, own["weight"])
    assert torch.equal(toy.model.weight, own["weight"])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which calls are recorded and replayed, with recordings that need no GPU; `tests/gpu` has those of
a GPU.
"""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from idto3d.prior.cuda_graph import MOST_GRAPHS, Function, Inputs, Replay, Replayed
from idto3d.prior.load import load_prior
from idto3d.prior.random_prior import write_random_prior


def double(values: Tensor, shift: Tensor | None = None) -> Tensor:
    return 2 * values if shift is None else 2 * values + shift


class Recordings:
    """Recordings that call the function, and remember what was recorded and replayed."""

    def __init__(self) -> None:
        self.recorded: list[Inputs] = []
        self.replayed: list[Inputs] = []

    def __call__(self, function: Function, inputs: Inputs) -> Replay:
        self.recorded.append(inputs)

        def replay(inputs: Inputs) -> Tensor:
            self.replayed.append(inputs)
            return function(**inputs)

        return replay


@torch.no_grad()
def test_each_set_of_shapes_is_recorded_once() -> None:
    call = Replayed(double, record := Recordings())
    inputs: list[dict[str, Tensor]] = [
        {"values": torch.ones(2)},
        {"values": torch.ones(3)},
        {"values": torch.ones(3, dtype=torch.float64)},
        {"values": torch.ones(3), "shift": torch.ones(3)},
    ]
    for given in inputs * 3:
        torch.testing.assert_close(call(**given), double(**given))
    assert len(record.recorded) == 4 and len(record.replayed) == 12


@torch.no_grad()
def test_absent_inputs_are_left_out() -> None:
    call = Replayed(double, record := Recordings())
    assert call(values=torch.ones(2), shift=None).tolist() == [2, 2]
    assert [list(inputs) for inputs in record.replayed] == [["values"]]


@torch.no_grad()
def test_graphs_are_few() -> None:
    call = Replayed(double, record := Recordings())
    for size in range(MOST_GRAPHS + 3):
        assert len(call(values=torch.ones(size))) == size
    assert len(record.recorded) == len(record.replayed) == MOST_GRAPHS
    call(values=torch.ones(0))  # the first ones are kept
    assert len(record.replayed) == MOST_GRAPHS + 1


def test_gradients_go_through_the_plain_call() -> None:
    call = Replayed(double, record := Recordings())
    leaf = torch.ones(2, requires_grad=True)
    call(values=leaf).sum().backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [2, 2]
    assert not record.recorded and not record.replayed


@torch.no_grad()
def test_a_failed_recording_is_a_sentence_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(function: Function, inputs: Inputs) -> Replay:
        raise RuntimeError("operation not permitted\nCompile with a flag for more")

    call = Replayed(double, refuse)
    with caplog.at_level(logging.WARNING):
        for size in (2, 2, 3):
            assert call(values=torch.ones(size)).tolist() == [2.0] * size
    (record,) = caplog.records
    assert record.getMessage() == (
        "Going on without a CUDA graph, as it can't be recorded: operation not permitted"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior")
    write_random_prior(path)
    return path


@torch.no_grad()
def test_prior_hands_over_all_that_varies(folder: Path) -> None:
    """Another call's tensors give another result through the same recording."""
    plain, replayed = (load_prior(folder, "geometry") for _ in range(2))
    replayed.network = Replayed(replayed.network, record := Recordings())
    generator = torch.Generator().manual_seed(0)
    for caption, expression, timestep in (("front view", "smile", 300), ("back", "jaw_open", 600)):
        latents, hint = torch.randn(2, 1, 4, 8, 8, generator=generator)
        embeddings = torch.randn(3, 128, generator=generator)
        outputs = []
        for prior in (plain, replayed):
            told = prior.condition([caption], embeddings, [expression])
            outputs.append(prior.denoise(latents, torch.tensor([timestep]), told, hint))
        torch.testing.assert_close(outputs[1], outputs[0])
    first, second = record.replayed
    assert len(record.recorded) == 1
    assert all(not torch.equal(first[name], second[name]) for name in first)


class _OnMeta(TorchDispatchMode):
    """Refuses tensors of another device; numbers can't be read from meta tensors anyway."""

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        for tensor in torch.utils._pytree.tree_leaves((arguments, options, result)):
            assert not isinstance(tensor, Tensor) or tensor.is_meta, function
        return result


@torch.no_grad()
def test_network_stays_on_its_device(folder: Path) -> None:
    """What a recording can't hold: numbers read back, and tensors that come from the host."""
    prior = load_prior(folder, "geometry", "meta")
    told = prior.condition(["front view"], torch.zeros(3, 128), ["smile"])
    latents, hint = torch.zeros(2, 1, 4, 8, 8, device="meta")
    assert told.identity is not None and told.expression is not None
    inputs = {"text": told.text, "identity": told.identity, "expression": told.expression}
    inputs |= {"latents": latents, "hint_latents": hint}
    with _OnMeta():
        output = prior.network(**inputs, timesteps=torch.zeros(1, dtype=torch.long, device="meta"))
    assert output.shape == latents.shape

# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a small network on pictures: resumable, and in two calls the same as in one."""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WARM_UP = 100  # steps
LARGEST_GRADIENT = 50.0  # norm over all weights
SAVE_EVERY, REPORT_EVERY = 250, 50  # steps


def train(
    network: nn.Module,
    loss_at: Callable[[int], Tensor],
    steps: int,
    learning_rate: float,
    state: Path | None = None,
) -> list[float]:
    """Minimise loss_at(step) over the network's weights; the loss of each step of this call.

    loss_at's random draws may depend on the step's number alone. state: file of the unfinished
    training; goes on from it when it is there.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    first = _load_state(state, network, optimizer) if state and state.exists() else 0
    losses: list[float] = []
    began = time.monotonic()
    network.train()
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * schedule(step, steps)
        loss = loss_at(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % REPORT_EVERY == 0:
            left = (time.monotonic() - began) / (step + 1 - first) * (steps - step - 1) / 60
            mean = np.mean(losses[-REPORT_EVERY:])
            print(f"step {step + 1}/{steps}, loss {mean:.3f}, {left:.0f} min left", flush=True)
        if state and ((step + 1) % SAVE_EVERY == 0 or step + 1 == steps):
            _save_state(state, network, optimizer, step + 1)
    network.eval()
    return losses


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a linear start, then half a cosine down to zero."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def save_network(network: nn.Module, path: Path) -> None:
    """Write the weights in half precision."""
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    _save(state, path)


def _save_state(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, step: int
) -> None:
    tensors = {f"network/{name}": value.clone() for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = torch.as_tensor(value).clone()
    tensors["step"] = torch.tensor(step)
    _save(tensors, path)


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file({name: value.contiguous() for name, value in tensors.items()}, temporary)
    os.replace(temporary, path)


def _load_state(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    tensors = load_file(path)
    prefix = "network/"
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    )
    parameters = dict(network.named_parameters())
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, key, parameter = name.split("/", 2)
            optimizer.state[parameters[parameter]][key] = value
    return int(tensors["step"])

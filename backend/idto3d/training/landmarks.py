# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the landmark network on rendered faces: python -m idto3d.training.landmarks --help

Renders its pictures to --data first (finished shards are kept), then trains for --samples; both go
on from where they stopped.
"""

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from idto3d.assets import ASSETS
from idto3d.head.template import load_template
from idto3d.identity.landmarks import CHIP_SIZE, WEIGHTS, LandmarkNet
from idto3d.training.dataset import expression_table
from idto3d.training.landmark_augment import augment, plain
from idto3d.training.landmark_pictures import SEED, read_shards, render_shards
from idto3d.training.people import People

BATCH = 48
LEARNING_RATE = 3e-3
WARM_UP = 100  # steps
# How far the loss of a point is scaled by its own variance: 0 lets hard points starve, 1 is a mean
# square (Seitzer et al., "On the pitfalls of heteroscedastic uncertainty estimation", ICLR 2022).
BETA = 0.5
HELD_OUT_PEOPLE = 20
OUTER_EYES = (36, 45)
SAVE_EVERY, REPORT_EVERY = 250, 50  # steps


def loss_of(points: Tensor, log_variance: Tensor, truth: Tensor) -> Tensor:
    """Gaussian negative log likelihood over the points (B,68,2) that lie inside the chip."""
    inside = ((truth > 0) & (truth < CHIP_SIZE - 1)).all(dim=-1)
    square = 0.5 * ((points - truth) ** 2).sum(dim=-1)
    likelihood = square * torch.exp(-log_variance) + log_variance
    weight = torch.exp(BETA * log_variance).detach() * inside
    return (likelihood * weight).sum() / inside.sum()


def train(
    network: LandmarkNet,
    pictures: np.ndarray,
    points: np.ndarray,
    samples: int,
    state: Path | None = None,
    batch: int = BATCH,
) -> list[float]:
    """Train on pictures (N,S,S,4) and points (N,68,2); the loss of each step of this call.

    state: file of the unfinished training; goes on from it when it is there. The draws of a step
    depend on its number alone, so that a training in two calls equals one in one.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    steps = math.ceil(samples / batch)
    first = _load_state(state, network, optimizer) if state and state.exists() else 0
    losses: list[float] = []
    began = time.monotonic()
    network.train()
    for step in range(first, steps):
        random = np.random.default_rng([SEED, 2, step])
        rows = random.integers(len(pictures), size=batch)
        chips, truth = augment(pictures[rows], points[rows], random)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * schedule(step, steps)
        found, log_variance = network(chips)
        loss = loss_of(found, log_variance, truth)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 50.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % REPORT_EVERY == 0:
            left = (time.monotonic() - began) / (step + 1 - first) * (steps - step - 1) / 60
            mean = np.mean(losses[-REPORT_EVERY:])
            print(f"step {step + 1}/{steps}, loss {mean:.2f}, {left:.0f} min left", flush=True)
        if state and ((step + 1) % SAVE_EVERY == 0 or step + 1 == steps):
            _save_state(state, network, optimizer, step + 1)
    network.eval()
    return losses


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a linear start, then half a cosine down to zero."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def error_of(
    network: LandmarkNet, pictures: np.ndarray, points: np.ndarray, hard: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of each landmark (68,), and mean of distance / predicted deviation (68,).

    Distances are shares of the outer eye corners' distance in the picture; hard: with all the
    augmentation, or with nothing but the detector's error.
    """
    network.eval()
    errors, ratios = [], []
    for begin in range(0, len(pictures), BATCH):
        part = slice(begin, begin + BATCH)
        random = np.random.default_rng([SEED, 3, begin])
        chips, truth = (augment if hard else plain)(pictures[part], points[part], random)
        with torch.no_grad():
            found, log_variance = network(chips)
        distance = (found - truth).norm(dim=-1)
        # Turned heads foreshorten the eyes: the height of the face is the steadier measure there.
        eyes = (truth[:, OUTER_EYES[0]] - truth[:, OUTER_EYES[1]]).norm(dim=-1, keepdim=True)
        size = eyes.clamp_min(0.25 * CHIP_SIZE)
        errors.append(distance / size)
        ratios.append(distance / (2 * log_variance.exp()).sqrt())
    return torch.cat(errors).mean(dim=0).numpy(), torch.cat(ratios).mean(dim=0).numpy()


def save_network(network: LandmarkNet, path: Path) -> None:
    """Write the weights in half precision."""
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(state, temporary)
    os.replace(temporary, path)


def _save_state(
    path: Path, network: LandmarkNet, optimizer: torch.optim.Optimizer, step: int
) -> None:
    tensors = {f"network/{name}": value.clone() for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = torch.as_tensor(value).clone()
    tensors["step"] = torch.tensor(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    os.replace(temporary, path)


def _load_state(path: Path, network: LandmarkNet, optimizer: torch.optim.Optimizer) -> int:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--ict", type=Path, help="folder with ICT-FaceKit's ict.npz (optional)")
    parser.add_argument("--people", type=int, default=300, help="people to train on")
    parser.add_argument("--samples", type=int, default=70_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    people = People(load_template(ASSETS / "template" / "head.npz"), arguments.ict)
    table = expression_table(ASSETS / "expressions.json")
    held_out = HELD_OUT_PEOPLE
    render_shards(arguments.data, people, 0, held_out, table, "held-out")
    render_shards(arguments.data, people, held_out, arguments.people, table, "trained")
    network = LandmarkNet()
    pictures, points = read_shards(arguments.data, "trained")
    print(f"{len(pictures)} pictures", flush=True)
    train(network, pictures, points, arguments.samples, arguments.data / "state.safetensors")
    save_network(network, arguments.output)
    pictures, points = read_shards(arguments.data, "held-out")
    for hard in (False, True):
        error, ratio = error_of(network, pictures, points, hard)
        print(
            f"unseen people{', augmented' if hard else ''}: mean error {100 * error.mean():.1f} % "
            f"of the eyes' distance, without the contour {100 * error[17:].mean():.1f} %; "
            f"error / deviation {ratio.mean():.2f}"
        )


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the landmark network on rendered faces: python -m idto3d.training.landmarks --help

Renders its pictures to --data first (finished shards are kept), then trains for --samples; both go
on from where they stopped.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from idto3d.assets import ASSETS
from idto3d.head.template import OUTER_EYES, load_template
from idto3d.identity.landmarks import CHIP_SIZE, WEIGHTS, LandmarkNet
from idto3d.identity.layers import read_weights
from idto3d.training import regression
from idto3d.training.dataset import expression_table
from idto3d.training.landmark_augment import augment, plain
from idto3d.training.landmark_pictures import SEED, read_shards, render_shards
from idto3d.training.people import People

BATCH = 48
LEARNING_RATE = 3e-3
# How far the loss of a point is scaled by its own variance: 0 lets hard points starve, 1 is a mean
# square (Seitzer et al., "On the pitfalls of heteroscedastic uncertainty estimation", ICLR 2022).
BETA = 0.5
HELD_OUT_PEOPLE = 20


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

    state: file of the unfinished training; goes on from it when it is there.
    """

    def loss_at(step: int) -> Tensor:
        random = np.random.default_rng([SEED, 2, step])
        rows = random.integers(len(pictures), size=batch)
        chips, truth = augment(pictures[rows], points[rows], random)
        found, log_variance = network(chips)
        return loss_of(found, log_variance, truth)

    return regression.train(network, loss_at, math.ceil(samples / batch), LEARNING_RATE, state)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--ict", type=Path, help="folder with ICT-FaceKit's ict.npz (optional)")
    parser.add_argument("--people", type=int, default=300, help="people to train on")
    parser.add_argument("--samples", type=int, default=70_000)
    parser.add_argument("--start", type=Path, help="weights to begin with instead of random ones")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    people = People(load_template(ASSETS / "template" / "head.npz"), arguments.ict)
    table = expression_table(ASSETS / "expressions.json")
    held_out = HELD_OUT_PEOPLE
    render_shards(arguments.data, people, 0, held_out, table, "held-out")
    render_shards(arguments.data, people, held_out, arguments.people, table, "trained")
    network = LandmarkNet()
    if arguments.start:
        network = read_weights(network, arguments.start, "network of landmarks").train()
    pictures, points = read_shards(arguments.data, "trained")
    print(f"{len(pictures)} pictures", flush=True)
    train(network, pictures, points, arguments.samples, arguments.data / "state.safetensors")
    regression.save_network(network, arguments.output)
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

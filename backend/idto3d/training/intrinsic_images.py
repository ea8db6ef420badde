# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the network of intrinsic images: python -m idto3d.training.intrinsic_images --help

Reads the prior's training set (`idto3d dataset`), and goes on from where it stopped.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from idto3d.identity.intrinsic_images import WEIGHTS, IntrinsicNet
from idto3d.training import regression
from idto3d.training.intrinsic_pictures import Pictures, Truth, prepare, read_pictures

BATCH = 16
LEARNING_RATE = 1.5e-3
SEED = 616
# How far the loss of a normal is scaled by its own variance: 0 lets hard pixels starve, 1 is a mean
# square (Seitzer et al., "On the pitfalls of heteroscedastic uncertainty estimation", ICLR 2022).
BETA = 0.5
ALBEDO_WEIGHT, MASK_WEIGHT = 6.0, 0.5


@dataclass(frozen=True)
class Errors:
    """Of held-out people."""

    degrees: float  # median angle between normals
    degrees_mean: float
    albedo: float  # mean absolute difference of sRGB values
    overlap: float  # intersection over union of the heads


def loss_of(found: Tensor, truth: Truth) -> Tensor:
    """Of the network's answer (B,8,64,64)."""
    count = truth.known.sum().clamp_min(1.0)
    log_variance = found[:, 3:4]
    square = 0.5 * ((found[:, :3] - truth.normal) ** 2).sum(dim=1, keepdim=True)
    likelihood = square * torch.exp(-log_variance) + log_variance
    weight = torch.exp(BETA * log_variance).detach() * truth.known
    normals = (likelihood * weight).sum() / count
    albedo = ((found[:, 4:7] - truth.albedo).abs() * truth.known).sum() / (3 * count)
    mask = functional.binary_cross_entropy_with_logits(found[:, 7:], truth.on_head)
    return normals + ALBEDO_WEIGHT * albedo + MASK_WEIGHT * mask


def train(
    network: IntrinsicNet,
    pictures: Pictures,
    samples: int,
    state: Path | None = None,
    batch: int = BATCH,
) -> list[float]:
    """Train on pictures; the loss of each step of this call. state: see `regression.train`."""

    def loss_at(step: int) -> Tensor:
        random = np.random.default_rng([SEED, 2, step])
        rows = random.integers(len(pictures.photo), size=batch)
        chips, truth = prepare(pictures.of(rows), random)
        return loss_of(network(chips), truth)

    return regression.train(network, loss_at, math.ceil(samples / batch), LEARNING_RATE, state)


@torch.no_grad()
def errors_of(network: nn.Module, pictures: Pictures, hard: bool) -> Errors:
    """How far the network is from the truth; hard: on pictures spoilt as in training."""
    network.eval()
    angles, albedo, shared, either = [], [], 0.0, 0.0
    for begin in range(0, len(pictures.photo), BATCH):
        rows = np.arange(begin, min(begin + BATCH, len(pictures.photo)))
        random = np.random.default_rng([SEED, 3, begin])
        chips, truth = prepare(pictures.of(rows), random, hard)
        found = network(chips)
        known = truth.known[:, 0] > 0
        cosine = (found[:, :3] * truth.normal).sum(dim=1)[known]
        angles.append(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))
        albedo.append((found[:, 4:7] - truth.albedo).abs().mean(dim=1)[known])
        inside, head = found[:, 7:] > 0, truth.on_head > 0.5
        shared += float((inside & head).sum())
        either += float((inside | head).sum())
    angle = torch.cat(angles)
    return Errors(
        float(angle.median()),
        float(angle.mean()),
        float(torch.cat(albedo).mean()),
        shared / max(either, 1.0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of `idto3d dataset`")
    parser.add_argument("--state", type=Path, required=True, help="file of the training's state")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--samples", type=int, default=70_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    pictures = read_pictures(arguments.data, held_out=False)
    network = IntrinsicNet()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster
    print(
        f"{len(pictures.photo)} pictures of {len(np.unique(pictures.person))} people, "
        f"{sum(p.numel() for p in network.parameters())} weights",
        flush=True,
    )
    train(network, pictures, arguments.samples, arguments.state)
    regression.save_network(network, arguments.output)
    unseen = read_pictures(arguments.data, held_out=True)
    for hard in (False, True):
        errors = errors_of(network, unseen, hard)
        print(
            f"unseen people{', spoilt' if hard else ''}: normals off by {errors.degrees:.1f} "
            f"degrees (median; mean {errors.degrees_mean:.1f}), albedo by {errors.albedo:.3f}, "
            f"overlap of the heads {errors.overlap:.3f}"
        )


if __name__ == "__main__":
    main()

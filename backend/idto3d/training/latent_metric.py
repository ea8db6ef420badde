# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directions of the latents the diffusion loss counts more: those that vary little.

Of eight directions in a cell, one holds its colour and has a hundred times the variance of those
that tell an eye from a smudge. An even loss is spent on the first. The best prediction is the same
for every such metric, and so are the noise and the latents.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

# Next to no variance must not mean next to all of the loss: of the mean, and at all.
_FLOOR, _LEAST = 1e-3, 1e-9


def covariance(parts: Iterable[Tensor]) -> Tensor:
    """(C,C) float64 covariance of the channels over samples and cells; parts: (M,C,h,w) each."""
    count, first, second = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        cells = part.movedim(1, -1).flatten(0, -2).double()
        count = count + len(cells)
        first = first + cells.sum(dim=0)
        second = second + cells.mT @ cells
    mean = first / count
    return second / count - mean.outer(mean)


def detail_metric(spread: Tensor, power: float) -> Tensor:
    """(C,C) float32 symmetric A, so that |A e|^2 weighs an error e by variance ** -power.

    spread: the covariance (C,C). power 0 is the identity, 1 counts each direction against its own
    variance (Mahalanobis). Scaled so that errors distributed as the latents weigh what they did.
    """
    variance, directions = torch.linalg.eigh(spread)
    variance = variance.clamp_min(max(_FLOOR * float(variance.mean()), _LEAST))
    weight = variance**-power
    weight = weight * variance.sum() / (weight * variance).sum()
    return (directions * weight.sqrt() @ directions.mT).float()

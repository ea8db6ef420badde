# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of the networks that look into photos."""

from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """x + two convolutions of it, and a rectifier (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels, channels, 3, 1),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.layers(x))


def convolution(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    """Convolution, normalisation over the batch, rectifier."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )

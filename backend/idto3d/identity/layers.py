# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks that look into photos share: layers, and how their weights are read."""

from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from idto3d.errors import UserError

Network = TypeVar("Network", bound=nn.Module)


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


def read_weights(network: Network, path: Path, what: str) -> Network:
    """The network with the weights of a file, in evaluation mode. Raises UserError."""
    try:
        state = load_file(path)
        network.load_state_dict({name: value.float() for name, value in state.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(
            f"The {what} {path} can't be read ({error}). Restore it from the project's repository."
        ) from error
    return network.eval()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Small perceptrons: start values from a given generator, many modulations at once."""

import torch

# Points that go through all layers together on a CPU. Layers of a few MB stay in the cache and
# find memory that was used before; at 128 lattice cells a step of the surface costs a sixth less.
PIECE = 16384


def linear(inputs: int, outputs: int, generator: torch.Generator) -> torch.nn.Linear:
    """A linear layer with He's uniform start (for a ReLU behind it) and a zero bias."""
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
    torch.nn.init.zeros_(layer.bias)
    return layer


def zero_linear(inputs: int, outputs: int) -> torch.nn.Linear:
    """A linear layer whose output starts at exactly zero."""
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer


def modulated(
    layer: torch.nn.Linear, scale: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 + scale) * layer(x) + shift as weights (k,out,in) and biases (k,out) of k layers.

    FiLM (Perez et al. 2018) by scale and shift (k,out). Folded into the small matrices it costs the
    points nothing.
    """
    return (1 + scale)[:, :, None] * layer.weight, (1 + scale) * layer.bias + shift


def perceptron(points: torch.Tensor, *layers: torch.Tensor) -> torch.Tensor:
    """ReLU between layers, none behind the last: points (N,in) -> (N,out) or (k,N,out).

    layers: weight and bias in turn, (out,in) and (out,), or (k,out,in) and (k,out) for k
    perceptrons side by side; a layer without k is shared by them.
    """
    pieces = [points] if points.is_cuda else points.split(PIECE)
    return torch.cat([_evaluate(piece, layers) for piece in pieces], dim=-2)


def _evaluate(values: torch.Tensor, layers: tuple[torch.Tensor, ...]) -> torch.Tensor:
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        values = _layer(values, weight, bias).relu_()
    return _layer(values, *layers[-2:])


def _layer(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    if weight.dim() == 2:
        return torch.nn.functional.linear(values, weight, bias)
    rows = values.expand(len(weight), *values.shape[-2:])
    return torch.baddbmm(bias[:, None], rows, weight.transpose(1, 2))


def set_transformer(
    layers: int, width: int, heads: int, generator: torch.Generator
) -> torch.nn.TransformerEncoder:
    """A pre-norm transformer encoder without positions: its input is a set (B,K,width)."""
    layer = torch.nn.TransformerEncoderLayer(
        width, heads, dim_feedforward=2 * width, dropout=0.0, batch_first=True, norm_first=True
    )
    encoder = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    for name, parameter in encoder.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.xavier_uniform_(parameter, generator=generator)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    return encoder

# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear layers: start values from a given generator, and one layer under many modulations."""

import torch


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


def modulated_linear(
    layer: torch.nn.Linear, values: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor
) -> torch.Tensor:
    """(1 + scale) * layer(values) + shift: FiLM (Perez et al. 2018) of one layer, k times over.

    values (k,N,in) or, shared, (N,in); scale and shift (k,out). Returns (k,N,out). The modulation
    goes into the k small weight matrices: the points pass memory once, not three times.
    """
    weight = (1 + scale)[:, :, None] * layer.weight
    bias = (1 + scale) * layer.bias + shift
    rows = values.expand(len(scale), *values.shape[-2:])
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

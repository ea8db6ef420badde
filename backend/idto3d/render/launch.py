# SPDX-License-Identifier: GPL-3.0-or-later
"""Launching a Warp kernel between torch operations."""

from collections.abc import Sequence
from typing import Any

import torch
import warp as wp
from torch import Tensor

# Warp greets on standard output, which a child process needs for its messages.
wp.config.log_level = wp.LOG_WARNING
wp.init()


def array(tensor: Tensor, dtype: Any = None) -> Any:
    """The tensor's memory as a Warp array, without its gradient; vectors by `dtype=wp.vec3`."""
    return wp.from_torch(tensor.detach(), dtype=dtype, requires_grad=False)


def launch(
    kernel: wp.Kernel,
    shape: Sequence[int],
    inputs: list[Any],
    outputs: list[Any],
    input_gradients: list[Any] | None = None,
    output_gradients: list[Any] | None = None,
) -> None:
    """Run a kernel, or its adjoint when gradients are given, over a grid of this shape.

    inputs, outputs: Warp arrays and numbers; `outputs[0]` is an array and gives the device.
    input_gradients: arrays that receive (add up) gradients, None where none is wanted.
    On CUDA the kernel is queued on torch's current stream, so both libraries see one order.
    """
    device = outputs[0].device
    stream = None
    if device.is_cuda:
        stream = wp.stream_from_torch(torch.cuda.current_stream(device.ordinal))
    wp.launch(
        kernel,
        dim=tuple(shape),
        inputs=inputs,
        outputs=outputs,
        adj_inputs=input_gradients or [],
        adj_outputs=output_gradients or [],
        adjoint=input_gradients is not None,
        device=device,
        stream=stream,
    )

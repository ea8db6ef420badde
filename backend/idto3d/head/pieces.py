# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions of many points, evaluated in pieces that fit into a CPU's cache.

A small perceptron over 40,000 points does little arithmetic and moves much memory: each layer's
activations go out to memory and come back, and once more on the way back. Piece by piece they stay
in the cache. Nothing is kept for the backward pass; it computes the piece again, which costs less
than fetching what was kept. (Measured for the deformation field on one core, forward and backward:
45 -> 38 ms for 21,000 points, 436 -> 255 ms for 164,000; memory no longer grows with the layers.)
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

PIECE = 4096  # points; a layer of 32 float32 for two expressions is 1 MB


def in_pieces(
    function: Callable[..., Tensor], points: Tensor, weights: tuple[Tensor, ...]
) -> Tensor:
    """function(points, *weights): points (N,C) -> (…,N,D), row by row of the points.

    The function must treat the points one by one and be differentiable once in points and weights.
    On CUDA it is called as it is.
    """
    if points.is_cuda:
        return function(points, *weights)
    return _InPieces.apply(function, points, *weights)


class _InPieces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., Tensor], points: Tensor, *weights: Tensor
    ) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(points, *weights)
        return torch.cat([function(piece, *weights) for piece in points.split(PIECE)], dim=-2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        points, *weights = ctx.saved_tensors
        weights = [weight.detach().requires_grad_() for weight in weights]
        to_weights = [torch.zeros_like(weight) for weight in weights]
        to_points = []
        for piece, upstream in zip(points.split(PIECE), gradient.split(PIECE, dim=-2), strict=True):
            with torch.enable_grad():
                piece = piece.detach().requires_grad_()
                output = ctx.function(piece, *weights)
            to_piece, *shares = torch.autograd.grad(output, [piece, *weights], upstream)
            to_points.append(to_piece)
            for total, share in zip(to_weights, shares, strict=True):
                total += share
        return None, torch.cat(to_points), *to_weights

# SPDX-License-Identifier: GPL-3.0-or-later
"""A function of points in pieces against the same function at once: values and gradients."""

import pytest
import torch

from idto3d.head.pieces import PIECE, in_pieces


def wave(points: torch.Tensor, weight: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """(N,3), (k,3), (k,) -> (k,N,1)."""
    return torch.sin(weight @ points.T + shift[:, None])[..., None]


@pytest.mark.parametrize("count", [0, 5, PIECE, 2 * PIECE + 17])
def test_pieces_agree_with_the_whole(count):
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(count, 3, generator=generator, requires_grad=True)
    weight = torch.randn(4, 3, generator=generator, requires_grad=True)
    shift = torch.randn(4, generator=generator, requires_grad=True)
    upstream = torch.randn(4, count, 1, generator=generator)
    whole, pieces = wave(points, weight, shift), in_pieces(wave, points, (weight, shift))
    assert torch.allclose(pieces, whole, atol=1e-6)
    inputs = [points, weight, shift]
    expected = torch.autograd.grad((whole * upstream).sum(), inputs)
    found = torch.autograd.grad((pieces * upstream).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-3)


def test_nothing_is_kept_of_the_inside():
    kept = []

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    points, weight = torch.randn(3 * PIECE, 3), torch.randn(4, 3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        in_pieces(wave, points, (weight, torch.zeros(4)))
    assert sum(kept) == points.numel() + weight.numel() + 4

# SPDX-License-Identifier: GPL-3.0-or-later
"""Many modulations at once and many points against plain formulas: values and gradients."""

import torch

from idto3d.head.perceptron import PIECE, linear, modulated, perceptron


def test_modulated_perceptrons_agree_with_the_plain_formula():
    generator = torch.Generator().manual_seed(0)
    layers = [linear(7, 5, generator), linear(5, 6, generator), linear(6, 3, generator)]
    with torch.no_grad():
        for layer in layers:
            layer.bias.normal_(generator=generator)
    first, second, last = layers
    values = torch.randn(50, 7, generator=generator, requires_grad=True)
    scale_1, shift_1 = torch.randn(2, 4, 5, generator=generator).requires_grad_().unbind()
    scale_2, shift_2 = torch.randn(2, 4, 6, generator=generator).requires_grad_().unbind()
    upstream = torch.randn(4, 50, 3, generator=generator)

    hidden = torch.relu((1 + scale_1[:, None]) * first(values) + shift_1[:, None])
    hidden = torch.relu((1 + scale_2[:, None]) * second(hidden) + shift_2[:, None])
    plain = last(hidden)
    folded = perceptron(
        values,
        *modulated(first, scale_1, shift_1),
        *modulated(second, scale_2, shift_2),
        last.weight,
        last.bias,
    )
    assert torch.allclose(folded, plain, atol=1e-5)
    inputs = [values, scale_1, shift_1, scale_2, shift_2, first.weight, first.bias, second.weight]
    expected = torch.autograd.grad((plain * upstream).sum(), inputs)
    found = torch.autograd.grad((folded * upstream).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_more_points_than_a_piece_agree_with_torch_layers():
    generator = torch.Generator().manual_seed(0)
    layers = torch.nn.Sequential(linear(3, 8, generator), torch.nn.ReLU(), linear(8, 2, generator))
    points = torch.randn(2 * PIECE + 17, 3, generator=generator, requires_grad=True)
    upstream = torch.randn(len(points), 2, generator=generator)
    inputs = [points, *layers.parameters()]
    found, expected = perceptron(points, *layers.parameters()), layers(points)
    assert torch.allclose(found, expected, atol=1e-5)
    gradients = [torch.autograd.grad((of * upstream).sum(), inputs) for of in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-2)

# SPDX-License-Identifier: GPL-3.0-or-later
"""One layer under many modulations against the plain formula: values and gradients."""

import pytest
import torch

from idto3d.head.perceptron import linear, modulated_linear


@pytest.mark.parametrize("shape", [(50, 7), (3, 50, 7)], ids=["shared", "own"])
def test_modulated_layer_agrees_with_the_plain_formula(shape):
    generator = torch.Generator().manual_seed(0)
    layer = linear(7, 5, generator)
    with torch.no_grad():
        layer.bias.normal_(generator=generator)
    values = torch.randn(shape, generator=generator, requires_grad=True)
    scale, shift = torch.randn(2, 3, 5, generator=generator).requires_grad_()
    upstream = torch.randn(3, 50, 5, generator=generator)
    inputs = [values, scale, shift, layer.weight, layer.bias]
    plain = (1 + scale[:, None]) * layer(values) + shift[:, None]
    folded = modulated_linear(layer, values, scale, shift)
    assert torch.allclose(folded, plain, atol=1e-5)
    expected = torch.autograd.grad((plain * upstream).sum(), inputs)
    found = torch.autograd.grad((folded * upstream).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)

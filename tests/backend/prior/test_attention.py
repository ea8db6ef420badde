# SPDX-License-Identifier: GPL-3.0-or-later
"""Multimodal cross-attention: plain without extra tokens, a sum of attentions with them."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from idto3d.prior.attention import MultimodalAttention


@pytest.fixture
def layer() -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=16, cross_attention_dim=8, heads=2, dim_head=8)


def _inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(2, 9, 16), torch.randn(2, 5, 8), torch.randn(2, 3, 8)


def _with_identity(layer: Attention) -> MultimodalAttention:
    processor = MultimodalAttention(16, 8, ("identity",))
    torch.nn.init.normal_(processor.to_v["identity"].weight)
    layer.set_processor(processor)
    return processor


def test_without_extra_tokens_it_is_diffusers_attention(layer: Attention) -> None:
    hidden, text, identity = _inputs()
    layer.set_processor(AttnProcessor2_0())
    expected = layer(hidden, text)
    layer.set_processor(MultimodalAttention(16, 8, ("identity",)))
    torch.testing.assert_close(layer(hidden, text), expected)
    # Fresh values are zero: adding a modality changes nothing until it is trained.
    torch.testing.assert_close(layer(hidden, text, tokens={"identity": identity}), expected)


def test_outputs_of_the_modalities_are_summed(layer: Attention) -> None:
    hidden, text, identity = _inputs()
    processor = _with_identity(layer)
    both = layer(hidden, text, tokens={"identity": identity})
    text_alone = layer(hidden, text)
    with torch.no_grad():
        layer.to_k.weight.copy_(processor.to_k["identity"].weight)
        layer.to_v.weight.copy_(processor.to_v["identity"].weight)
    identity_alone = layer(hidden, identity)
    bias = layer.to_out[0].bias
    torch.testing.assert_close(both, text_alone + identity_alone - bias)


def test_zero_tokens_add_nothing_for_their_sample_only(layer: Attention) -> None:
    hidden, text, identity = _inputs()
    _with_identity(layer)
    identity[0] = 0
    without = layer(hidden, text)
    output = layer(hidden, text, tokens={"identity": identity})
    torch.testing.assert_close(output[0], without[0])
    assert (output[1] - without[1]).abs().max() > 0.01

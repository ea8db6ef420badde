# SPDX-License-Identifier: GPL-3.0-or-later
"""Multimodal cross-attention for any diffusers UNet: text, identity and expression side by side.

Each modality attends through its own keys and values with the shared query, and the outputs are
summed (decoupled cross-attention, Ye et al. 2023, IP-Adapter, eq. 5, for more than two).
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn


class MultimodalAttention(nn.Module):
    """An attention processor; without extra modalities it is plain attention.

    width: channels of the layer's keys and values; token_width: channels of the extra tokens.
    """

    def __init__(self, width: int, token_width: int, modalities: Iterable[str] = ()) -> None:
        super().__init__()
        self.width, self.token_width = width, token_width
        self.to_k = nn.ModuleDict()
        self.to_v = nn.ModuleDict()
        for name in modalities:
            self.add_modality(name)

    def add_modality(self, name: str) -> None:
        """Add keys and values; the values start at zero, so the layer's output is unchanged."""
        self.to_k[name] = nn.Linear(self.token_width, self.width, bias=False)
        values = nn.Linear(self.token_width, self.width, bias=False)
        nn.init.zeros_(values.weight)
        self.to_v[name] = values

    # diffusers inspects the signature of __call__ to decide which arguments to pass on.
    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        tokens: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """hidden_states (B, L, C) attend to themselves, or to text (B, T, D) plus `tokens`.

        tokens: modality name -> (B, N, token_width). attention_mask must be None.
        """
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = _split_heads(attn.to_q(hidden_states), attn.heads)
        output = _attend(query, attn.to_k(context), attn.to_v(context))
        for name, own in (tokens or {}).items():
            if name in self.to_k:
                output = output + _attend(query, self.to_k[name](own), self.to_v[name](own))
        return attn.to_out[1](attn.to_out[0](output)) / attn.rescale_output_factor


def _split_heads(values: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, L, C) -> (B, heads, L, C / heads)."""
    return values.unflatten(-1, (heads, -1)).transpose(1, 2)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """query (B, heads, L, c) over key, value (B, N, heads * c) -> (B, L, heads * c)."""
    heads = query.shape[1]
    output = F.scaled_dot_product_attention(
        query, _split_heads(key, heads), _split_heads(value, heads)
    )
    return output.transpose(1, 2).flatten(2)


def install_multimodal_attention(
    unet: UNet2DConditionModel, modalities: Iterable[str] = ()
) -> None:
    """Make every attention layer of `unet` multimodal; only cross-attention gets `modalities`."""
    names = tuple(modalities)
    token_width = unet.config.cross_attention_dim
    processors = {}
    for path in unet.attn_processors:
        layer = unet.get_submodule(path.removesuffix(".processor"))
        own = names if layer.is_cross_attention else ()
        processors[path] = MultimodalAttention(layer.inner_kv_dim, token_width, own)
    unet.set_attn_processor(processors)


def cross_attention_processors(unet: UNet2DConditionModel) -> dict[str, MultimodalAttention]:
    """The processors of the cross-attention layers by their path in the UNet."""
    return {
        f"{name}.processor": module.processor
        for name, module in unet.named_modules()
        if isinstance(module, Attention) and module.is_cross_attention
    }


def modality_parameters(unet: UNet2DConditionModel, modality: str) -> dict[str, nn.Parameter]:
    """The keys and values of one modality over all layers, by their path in the UNet."""
    return {
        name: parameter
        for name, parameter in unet.named_parameters()
        if name.endswith((f"processor.to_k.{modality}.weight", f"processor.to_v.{modality}.weight"))
    }


def is_processor_key(name: str) -> bool:
    """Whether a UNet state key belongs to the extra modalities and not to the plain UNet."""
    return ".processor." in name

# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-rank adaptation of the UNet's attention layers through peft: inject, save, fold."""

from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

_PROJECTIONS = r"(to_q|to_k|to_v|to_out\.0)"


def inject_lora(unet: UNet2DConditionModel, self_rank: int, cross_rank: int) -> None:
    """Add LoRA to all four projections of self- (attn1) and cross-attention (attn2) layers.

    The scale alpha / rank is 1; the product starts at zero, so the output is unchanged.
    """
    config = LoraConfig(
        r=self_rank,
        lora_alpha=self_rank,
        # The extra modalities' own keys and values lie under `processor` and are not matched.
        target_modules=rf".*\.attn[12]\.{_PROJECTIONS}",
        rank_pattern={rf".*attn2\.{_PROJECTIONS}": cross_rank},
        alpha_pattern={rf".*attn2\.{_PROJECTIONS}": cross_rank},
        init_lora_weights=True,
    )
    inject_adapter_in_model(config, unet)


def lora_parameters(unet: nn.Module) -> dict[str, nn.Parameter]:
    """The injected matrices by their path in the UNet."""
    return {name: p for name, p in unet.named_parameters() if ".lora_" in name}


def export_lora(unet: nn.Module) -> dict[str, torch.Tensor]:
    """The injected matrices as `<layer>.lora_A.weight` (r, in) and `.lora_B.weight` (out, r)."""
    return {name.replace(".default", ""): p.detach() for name, p in lora_parameters(unet).items()}


def lora_ranks(tensors: Mapping[str, torch.Tensor]) -> tuple[int, int]:
    """Ranks of the self- and cross-attention matrices of exported tensors."""
    ranks = {
        layer: next(
            len(value)
            for name, value in tensors.items()
            if f".{layer}." in name and "lora_A" in name
        )
        for layer in ("attn1", "attn2")
    }
    return ranks["attn1"], ranks["attn2"]


@torch.no_grad()
def load_lora(unet: UNet2DConditionModel, tensors: Mapping[str, torch.Tensor]) -> None:
    """Inject LoRA with the ranks and values of exported tensors and leave it active."""
    inject_lora(unet, *lora_ranks(tensors))
    for name, parameter in lora_parameters(unet).items():
        parameter.copy_(tensors[name.replace(".default", "")])


@torch.no_grad()
def fold_lora(unet: UNet2DConditionModel, tensors: Mapping[str, torch.Tensor]) -> None:
    """Add B A of exported tensors to the plain weights: the same function at no extra cost."""
    for name, down in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        layer = name.removesuffix(".lora_A.weight")
        up = tensors[f"{layer}.lora_B.weight"]
        weight = unet.get_submodule(layer).weight
        weight += (up.float() @ down.float()).to(weight)

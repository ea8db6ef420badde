# SPDX-License-Identifier: GPL-3.0-or-later
"""Random Stable-Diffusion-like networks and IP-Adapter weights, a few hundred kilobytes."""

from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel

FACE = 8  # numbers of a face embedding
WIDTH = 16  # channels of a token


def tiny_unet(seed: int = 0) -> UNet2DConditionModel:
    """The layout of Stable Diffusion 1.5 (mid block, several heads, GEGLU), small and random."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
    ).eval()


def ip_adapter_state(
    unet: UNet2DConditionModel, tokens: int, lora_rank: int = 0, seed: int = 1
) -> dict[str, dict[str, torch.Tensor]]:
    """Random weights in the layout of ip-adapter-faceid_sd15.bin: tokens 4 with LoRA for FaceID,
    16 without for FaceID-Portrait."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    mlp = {
        "proj.0.weight": random(2 * FACE, FACE),
        "proj.0.bias": random(2 * FACE),
        "proj.2.weight": random(tokens * WIDTH, 2 * FACE),
        "proj.2.bias": random(tokens * WIDTH),
        "norm.weight": 1 + random(WIDTH),
        "norm.bias": random(WIDTH),
    }
    layers: dict[str, torch.Tensor] = {}
    for number, path in enumerate(unet.attn_processors):
        layer = unet.get_submodule(path.removesuffix(".processor"))
        if layer.is_cross_attention:
            for kind in ("k", "v"):
                layers[f"{number}.to_{kind}_ip.weight"] = random(layer.inner_dim, WIDTH)
        if lora_rank:
            projections: Mapping[str, torch.nn.Linear] = {
                "to_q": layer.to_q,
                "to_k": layer.to_k,
                "to_v": layer.to_v,
                "to_out": layer.to_out[0],
            }
            for kind, linear in projections.items():
                rows, columns = linear.weight.shape
                layers[f"{number}.{kind}_lora.down.weight"] = random(lora_rank, columns)
                layers[f"{number}.{kind}_lora.up.weight"] = random(rows, lora_rank)
    return {"image_proj": mlp, "ip_adapter": layers}

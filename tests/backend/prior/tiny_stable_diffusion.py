# SPDX-License-Identifier: GPL-3.0-or-later
"""Random Stable-Diffusion-like networks and IP-Adapter weights, a few hundred kilobytes."""

import copy
import re
from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from idto3d.prior.checkpoint_file import Family

FACE = 8  # numbers of a face embedding
WIDTH = 16  # channels of a token
# The layout of Stable Diffusion 1.5 (mid block, several heads), small.
TINY = Family(
    unet={
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    },
    autoencoder={
        "block_out_channels": (4, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
        "sample_size": 16,
        "scaling_factor": 0.25,
    },
    text_encoder={
        "vocab_size": 40,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "hidden_act": "quick_gelu",
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    },
)


def tiny_unet(seed: int = 0) -> UNet2DConditionModel:
    """A random UNet."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(**TINY.unet).eval()


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


def in_diffusers(
    unet: UNet2DConditionModel, state: dict[str, dict[str, torch.Tensor]]
) -> UNet2DConditionModel:
    """`unet` with the adapter by diffusers' own loader, LoRA included."""
    pipeline = StableDiffusionPipeline(
        AutoencoderKL(norm_num_groups=1, block_out_channels=(4,)),
        None,
        None,
        copy.deepcopy(unet),
        DDPMScheduler(steps_offset=1, clip_sample=False),
        None,
        None,
        requires_safety_checker=False,
    )
    pipeline.load_ip_adapter(state, None, "", image_encoder_folder=None)
    pipeline.set_ip_adapter_scale(1.0)
    return pipeline.unet


# What diffusers calls the parts of a residual block, and what the original code does.
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
# Where the blocks of `tiny_unet` lie in the original numbering: two levels, one layer each.
_UNET_BLOCKS = {
    "down_blocks.0.resnets.0.": "input_blocks.1.0.",
    "down_blocks.0.attentions.0.": "input_blocks.1.1.",
    "down_blocks.0.downsamplers.0.conv.": "input_blocks.2.0.op.",
    "down_blocks.1.resnets.0.": "input_blocks.3.0.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
    "up_blocks.0.resnets.0.": "output_blocks.0.0.",
    "up_blocks.0.resnets.1.": "output_blocks.1.0.",
    "up_blocks.0.upsamplers.0.conv.": "output_blocks.1.1.conv.",
    "up_blocks.1.resnets.0.": "output_blocks.2.0.",
    "up_blocks.1.attentions.0.": "output_blocks.2.1.",
    "up_blocks.1.resnets.1.": "output_blocks.3.0.",
    "up_blocks.1.attentions.1.": "output_blocks.3.1.",
}
_VAE = (
    (r"(en|de)coder\.mid_block\.resnets\.0\.", r"\1coder.mid.block_1."),
    (r"(en|de)coder\.mid_block\.resnets\.1\.", r"\1coder.mid.block_2."),
    (r"mid_block\.attentions\.0\.", "mid.attn_1."),
    (r"attn_1\.group_norm\.", "attn_1.norm."),
    (r"attn_1\.to_([qkv])\.", r"attn_1.\1."),
    (r"attn_1\.to_out\.0\.", "attn_1.proj_out."),
    (r"down_blocks\.(\d)\.resnets\.(\d)\.", r"down.\1.block.\2."),
    (r"down_blocks\.(\d)\.downsamplers\.0\.conv\.", r"down.\1.downsample.conv."),
    (r"up_blocks\.(\d)\.resnets\.(\d)\.", r"up.\1.block.\2."),
    (r"up_blocks\.(\d)\.upsamplers\.0\.conv\.", r"up.\1.upsample.conv."),
    ("conv_norm_out", "norm_out"),
    ("conv_shortcut", "nin_shortcut"),
)


def tiny_autoencoder(seed: int = 2) -> AutoencoderKL:
    """Stable Diffusion's autoencoder, two levels, with its attention."""
    torch.manual_seed(seed)
    return AutoencoderKL(**TINY.autoencoder).eval()


def tiny_text_encoder(seed: int = 3) -> CLIPTextModel:
    """CLIP's text encoder, one layer."""
    torch.manual_seed(seed)
    return CLIPTextModel(CLIPTextConfig(**TINY.text_encoder)).eval()


def original_names(
    unet: UNet2DConditionModel, autoencoder: AutoencoderKL, text_encoder: CLIPTextModel
) -> dict[str, torch.Tensor]:
    """The three as one state with the names of the original training code."""
    state = {
        f"model.diffusion_model.{_unet_name(name)}": value
        for name, value in unet.state_dict().items()
    }
    for name, value in autoencoder.state_dict().items():
        # Its attention was written as 1 x 1 convolutions.
        convolution = "attentions" in name and value.dim() == 2
        key = f"first_stage_model.{_autoencoder_name(name)}"
        state[key] = value[:, :, None, None] if convolution else value
    prefix = "cond_stage_model.transformer.text_model."
    for name, value in text_encoder.state_dict().items():
        state[prefix + name.removeprefix("text_model.")] = value
    state[prefix + "embeddings.position_ids"] = torch.arange(16)[None]
    return {name: value.contiguous() for name, value in state.items()}


def _unet_name(name: str) -> str:
    for ours, theirs in (_UNET_ENDS | _UNET_BLOCKS).items():
        if not name.startswith(ours):
            continue
        rest = name.removeprefix(ours)
        if "resnets" in ours:
            part, kind = rest.split(".")
            rest = f"{_RESNET[part]}.{kind}"
        return theirs + rest
    raise KeyError(name)


def _autoencoder_name(name: str) -> str:
    for pattern, replacement in _VAE:
        name = re.sub(pattern, replacement, name)
    # The original counts the decoder's levels from the full resolution on.
    return re.sub(r"decoder\.up\.(\d)", lambda m: f"decoder.up.{1 - int(m[1])}", name)

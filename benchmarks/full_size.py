# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior of Stable Diffusion 1.5's true size with random weights: right for time and memory, and
for nothing else.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from idto3d.assets import expression_names
from idto3d.prior.attention import (
    cross_attention_processors,
    install_multimodal_attention,
    modality_parameters,
)
from idto3d.prior.checkpoint_file import Family
from idto3d.prior.identity import IdentityProjector
from idto3d.prior.layout import (
    adapter_tensors,
    write_autoencoder,
    write_conditioning,
    write_scheduler,
    write_tensors,
    write_text_encoder,
    write_unet,
)
from idto3d.prior.manifest import TINY, Manifest, write_manifest
from idto3d.training.text import make_tokenizer

IDENTITY_TOKENS = 16  # as FaceID-Portrait's
EXPRESSION_TOKENS = 16
EMBEDDING = 128  # dlib's: a head can then be made without anybody's licence


def write_full_size_prior(folder: Path, family: Family | None = None, seed: int = 0) -> Manifest:
    """Write a prior folder in 16 bits with identity and expression attention and a small encoder.

    LoRA is left out: it is added to the weights when a prior is opened, and costs nothing then.
    """
    family = family or Family()
    names = expression_names()
    texts = {name: f"a face with {name.replace('_', ' ')}" for name in names}
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**family.unet)
    install_multimodal_attention(unet, ("identity",))
    width = unet.config.cross_attention_dim
    length = family.text_encoder["max_position_embeddings"]
    tokenizer = make_tokenizer([*texts.values(), "a photo normal albedo map of"], length)
    write_unet(folder, unet.half())
    write_autoencoder(folder, AutoencoderKL(**family.autoencoder).half())
    text = CLIPTextModel(CLIPTextConfig(**family.text_encoder))
    write_text_encoder(folder, text, tokenizer)
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    write_scheduler(folder, DDPMScheduler(**betas, clip_sample=False))
    projector = IdentityProjector(EMBEDDING, 5, 2 * width, IDENTITY_TOKENS, width)
    write_conditioning(folder, unet, projector)
    for processor in cross_attention_processors(unet).values():
        processor.add_modality("expression")
    expression = modality_parameters(unet, "expression")
    adapters = {domain: f"adapters/{domain}.safetensors" for domain in ("geometry", "albedo")}
    for file in adapters.values():
        write_tensors(folder / file, adapter_tensors({}, expression, {}))
    AutoencoderTiny().half().save_pretrained(folder / TINY)
    return write_manifest(
        folder,
        Manifest(
            name="random weights of Stable Diffusion 1.5's size",
            image_size=8 * unet.config.sample_size,
            identity_dimension=EMBEDDING,
            spatial_hint=False,
            expression_tokens=EXPRESSION_TOKENS,
            expressions=names,
            expression_texts=texts,
            adapters=adapters,
        ),
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior folder of the full layout with random weights, for tests and dry runs."""

from pathlib import Path
from types import MappingProxyType

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from idto3d.prior.attention import (
    cross_attention_processors,
    install_multimodal_attention,
    modality_parameters,
)
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
from idto3d.prior.lora import export_lora, inject_lora, lora_parameters
from idto3d.prior.manifest import LATENT_FACTOR, Manifest, write_manifest

EXPRESSIONS = MappingProxyType(
    {"neutral": "a neutral expression", "smile": "a closed mouth smile", "jaw_open": "a wide mouth"}
)
_WORDS = "a an of photo normal albedo map front side back view face portrait person with"
_WIDTH = 16


def write_random_prior(
    folder: Path,
    image_size: int = 64,
    identity_dimension: int = 128,
    identity_encoder: str = "dlib",
    spatial_hint: bool = True,
    painted_hint: bool = False,
    expressions: dict[str, str] | None = None,
    seed: int = 0,
) -> Manifest:
    """Write unet, vae, text_encoder, tokenizer, scheduler, conditioning, two adapters, prior.json.

    A few hundred kilobytes, two levels, with a spatial hint as the compact prior has one, or
    without as Stable Diffusion, random everywhere, adapters included, so that each part
    changes the output. expressions: name -> text; three by default.
    """
    texts = dict(EXPRESSIONS if expressions is None else expressions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = _tokenizer(texts)
        unet = _unet(image_size // LATENT_FACTOR, spatial_hint, painted_hint)
        projector = IdentityProjector(identity_dimension, 5, 16, 2, _WIDTH)
        write_unet(folder, unet)
        write_autoencoder(folder, _autoencoder(image_size))
        write_text_encoder(folder, _text_encoder(tokenizer), tokenizer)
        write_scheduler(folder, _scheduler())
        write_conditioning(folder, unet, projector)
        adapters = {domain: f"adapters/{domain}.safetensors" for domain in ("geometry", "albedo")}
        for processor in cross_attention_processors(unet).values():
            processor.add_modality("expression")
        inject_lora(unet, 4, 8)
        for name in adapters.values():
            write_tensors(folder / name, _random_adapter(unet))
    return write_manifest(
        folder,
        Manifest(
            name="random",
            image_size=image_size,
            identity_encoder=identity_encoder,
            identity_dimension=identity_dimension,
            spatial_hint=spatial_hint,
            painted_hint=painted_hint,
            expression_tokens=6,
            expressions=tuple(texts),
            expression_texts=texts,
            adapters=adapters,
        ),
    )


def _unet(latent_size: int, spatial_hint: bool, painted_hint: bool) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=4 * (1 + spatial_hint + painted_hint),
        out_channels=4,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=_WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
        class_embed_type="projection" if spatial_hint else None,
        projection_class_embeddings_input_dim=2 * _WIDTH if spatial_hint else None,
    )
    install_multimodal_attention(unet, ("identity",))
    _randomise(modality_parameters(unet, "identity"))
    return unet


def _autoencoder(image_size: int) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 8, 8, 8),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=image_size,
        mid_block_add_attention=False,
    )


def _scheduler() -> DDPMScheduler:
    return DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
    )


def _tokenizer(texts: dict[str, str]) -> PreTrainedTokenizerFast:
    words = sorted({word for text in (_WORDS, *texts.values()) for word in text.split()})
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=16, pad_token="[PAD]", unk_token="[UNK]"
    )


def _text_encoder(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=_WIDTH,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def _random_adapter(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    processors = modality_parameters(unet, "identity") | modality_parameters(unet, "expression")
    _randomise(lora_parameters(unet) | processors)
    return adapter_tensors(export_lora(unet), processors, {})


@torch.no_grad()
def _randomise(parameters: dict[str, torch.nn.Parameter]) -> None:
    for parameter in parameters.values():
        parameter.normal_(std=0.2)

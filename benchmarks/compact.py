# SPDX-License-Identifier: GPL-3.0-or-later
"""The prior that the steps are measured with: the shipped one, or its size with random weights."""

import json
import tempfile
from pathlib import Path

import torch

from idto3d.assets import ASSETS, PRIOR
from idto3d.prior.attention import cross_attention_processors, modality_parameters
from idto3d.prior.condition import PHRASE_OF_KIND
from idto3d.prior.layout import (
    adapter_tensors,
    write_autoencoder,
    write_conditioning,
    write_scheduler,
    write_tensors,
    write_text_encoder,
    write_unet,
)
from idto3d.prior.lora import export_lora, inject_lora
from idto3d.prior.manifest import LATENT_FACTOR, Manifest, write_manifest
from idto3d.prior.patch_autoencoder import PatchAutoencoder
from idto3d.training.diffusion import make_projector, make_scheduler, make_unet
from idto3d.training.settings import TrainingSettings
from idto3d.training.text import make_text_encoder, make_tokenizer

IDENTITY_DIMENSION = 128  # of dlib's embeddings


def prior_folder() -> tuple[Path, str]:
    """The folder of the compact prior and which one it is, in words."""
    if (PRIOR / "prior.json").is_file():
        return PRIOR, "the compact prior in assets/prior"
    folder = Path(tempfile.mkdtemp(prefix="idto3d-benchmark-"))
    write_random_compact_prior(folder)
    return folder, "random weights of the compact prior's size, as assets/prior is missing"


def write_random_compact_prior(folder: Path, seed: int = 0) -> None:
    """Write a prior folder as training would with its default settings, but untrained."""
    settings = TrainingSettings()
    vocabulary = json.loads((ASSETS / "expressions.json").read_text(encoding="utf-8"))
    texts = {entry["name"]: entry["text"] for entry in vocabulary["expressions"]}
    autoencoder = PatchAutoencoder(settings.autoencoder.latent_channels)
    adapters = {domain: f"adapters/{domain}.safetensors" for domain in ("geometry", "albedo")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = make_tokenizer(
            [*texts.values(), *PHRASE_OF_KIND.values()], settings.text.length
        )
        unet = make_unet(
            settings.denoiser,
            settings.autoencoder.latent_channels,
            settings.autoencoder.image_size // LATENT_FACTOR,
            settings.text.width,
        )
        projector = make_projector(settings.denoiser, IDENTITY_DIMENSION, settings.text.width)
        write_unet(folder, unet)
        write_autoencoder(folder, autoencoder)
        write_text_encoder(folder, make_text_encoder(tokenizer, settings.text), tokenizer)
        write_scheduler(folder, make_scheduler(settings.diffusion))
        write_conditioning(folder, unet, projector)
        for processor in cross_attention_processors(unet).values():
            processor.add_modality("expression")
        inject_lora(
            unet, settings.adapter.self_attention_rank, settings.adapter.cross_attention_rank
        )
    tokens = modality_parameters(unet, "identity") | modality_parameters(unet, "expression")
    for name in adapters.values():
        write_tensors(folder / name, adapter_tensors(export_lora(unet), tokens, {}))
    write_manifest(
        folder,
        Manifest(
            name="random",
            image_size=settings.autoencoder.image_size,
            identity_dimension=IDENTITY_DIMENSION,
            identity_photos=settings.denoiser.identity_photos,
            spatial_hint=settings.denoiser.spatial_hint,
            painted_hint=settings.denoiser.painted_hint,
            expression_tokens=settings.denoiser.expression_tokens,
            expressions=tuple(texts),
            expression_texts=texts,
            adapters=adapters,
        ),
    )

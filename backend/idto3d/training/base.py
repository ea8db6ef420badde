# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the compact base: UNet, text encoder and identity MLP together, on all three domains.

A small backbone that already knows photographs, normal maps and albedo maps leaves little for the
adapters to learn; the caption names the kind of image.
"""

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from idto3d.errors import UserError
from idto3d.prior.condition import PHRASE_OF_KIND
from idto3d.prior.denoiser import NoiseSchedule
from idto3d.prior.layout import write_conditioning, write_scheduler, write_text_encoder, write_unet
from idto3d.prior.load import load_prior
from idto3d.prior.manifest import LATENT_FACTOR, Manifest, read_manifest, write_manifest
from idto3d.prior.patch_autoencoder import Autoencoder, read_autoencoder
from idto3d.training.batches import Sampler
from idto3d.training.checkpoint import Counters, has_state
from idto3d.training.diffusion import (
    ConditionedDenoiser,
    make_projector,
    make_scheduler,
    make_unet,
)
from idto3d.training.latents import LatentStore
from idto3d.training.loop import make_accelerator
from idto3d.training.settings import TrainingSettings
from idto3d.training.shards import Dataset, Identities, read_shard
from idto3d.training.stage import Stage, fill_store, require_fresh_or_resume, run_stage
from idto3d.training.text import SPECIAL, known_words, make_text_encoder, make_tokenizer
from idto3d.training.warm_start import start_from

STAGE = "base"


def train_base(
    dataset: Dataset,
    output: Path,
    settings: TrainingSettings,
    resume: bool,
    expression_texts: dict[str, str],
    start: Path | None = None,
) -> Counters:
    """Train or go on training the base in `output`, whose autoencoder must be there.

    expression_texts: name -> words, at least for the dataset's expressions. start: a prior folder
    whose autoencoder and base a new training begins with. Raises UserError when the autoencoder or
    the embeddings are missing, `start` doesn't fit, or a state is there and `resume` is False.
    """
    folder = output / "training" / STAGE
    require_fresh_or_resume(folder, resume)
    identities = dataset.identities()
    accelerator = make_accelerator(settings.run)
    torch.manual_seed(settings.run.seed)
    known: Sequence[str] = SPECIAL
    if has_state(folder):
        known = known_words(AutoTokenizer.from_pretrained(output / "tokenizer"))
    elif start is not None:
        known = known_words(load_prior(start, "photo").tokenizer)
        if accelerator.is_main_process:
            shutil.copytree(start / "vae", output / "vae", dirs_exist_ok=True)
        accelerator.wait_for_everyone()
    autoencoder = open_autoencoder(output).to(accelerator.device)
    texts = [expression_texts[name] for name in dataset.expressions]
    words = [*captions_of(dataset), *PHRASE_OF_KIND.values(), *expression_texts.values(), ","]
    tokenizer = make_tokenizer(words, settings.text.length, known)
    denoiser = make_denoiser(settings, tokenizer, autoencoder, identities)
    if start is not None and not has_state(folder):
        start_from(start, denoiser)
    scheduler = make_scheduler(settings.diffusion)
    share = settings.diffusion.photo_share
    sampler = Sampler(
        open_store(dataset, output, autoencoder),
        tokenizer,
        texts,
        settings.denoiser.identity_photos,
        {"photo": share, "normal": (1 - share) / 2, "albedo": (1 - share) / 2},
        settings.diffusion,
        settings.diffusion.expression_in_caption,
        settings.denoiser.spatial_hint,
        settings.denoiser.painted_hint,
    )
    fill_store(sampler)
    manifest = Manifest(
        image_size=dataset.image_size,
        identity_dimension=identities.embedding.shape[-1],
        identity_photos=settings.denoiser.identity_photos,
        spatial_hint=settings.denoiser.spatial_hint,
        painted_hint=settings.denoiser.painted_hint,
        expression_tokens=settings.denoiser.expression_tokens,
        expressions=dataset.expressions,
        expression_texts={name: expression_texts[name] for name in dataset.expressions},
    )

    earlier = _earlier_training(output, start)

    def export(counters: Counters) -> None:
        write_unet(output, denoiser.unet)
        write_text_encoder(output, denoiser.text_encoder, tokenizer)
        write_scheduler(output, scheduler)
        write_conditioning(output, denoiser.unet, denoiser.projector)
        provenance: dict[str, Any] = {"before": earlier} if earlier else {}
        provenance[STAGE] = {**dataclasses.asdict(counters), "shards": len(sampler.store.known)}
        write_manifest(output, dataclasses.replace(manifest, training=provenance))

    stage = Stage(
        STAGE,
        settings.run,
        denoiser,
        dict(denoiser.named_parameters()),
        sampler,
        NoiseSchedule.from_cumulative(scheduler.alphas_cumprod),
        settings.diffusion.prediction_type,
        export,
    )
    return run_stage(accelerator, stage, output, settings, resume)


def _earlier_training(output: Path, start: Path | None) -> Mapping[str, Any]:
    """How the prior was trained that this training began with; empty if with none."""
    if (output / "prior.json").is_file():
        return read_manifest(output).training.get("before", {})
    return {} if start is None else read_manifest(start).training


def make_denoiser(
    settings: TrainingSettings,
    tokenizer: PreTrainedTokenizerBase,
    autoencoder: Autoencoder,
    identities: Identities,
) -> ConditionedDenoiser:
    """Fresh weights for the given vocabulary, latents and embeddings."""
    unet = make_unet(
        settings.denoiser,
        autoencoder.config.latent_channels,
        autoencoder.config.sample_size // LATENT_FACTOR,
        settings.text.width,
    )
    # Convolutions are a third faster on the CPU when the channels lie side by side.
    unet.to(memory_format=torch.channels_last)
    projector = make_projector(
        settings.denoiser, identities.embedding.shape[-1], settings.text.width
    )
    projector.standardise_with(torch.from_numpy(identities.trained()))
    text_encoder = make_text_encoder(tokenizer, settings.text)
    return ConditionedDenoiser(unet, text_encoder, projector, settings.denoiser.spatial_hint)


def open_autoencoder(output: Path) -> Autoencoder:
    """The frozen autoencoder of `output`. Raises UserError when it isn't trained yet."""
    if not (output / "vae" / "config.json").is_file():
        raise UserError(f"{output} has no autoencoder yet. Run `idto3d train autoencoder` first.")
    return read_autoencoder(output / "vae").float().requires_grad_(False).eval()


def open_store(dataset: Dataset, output: Path, autoencoder: Autoencoder) -> LatentStore:
    """The latent cache of `output`; another encoder means another cache folder."""
    scale = autoencoder.config.scaling_factor
    device = autoencoder.device

    def encode(images: torch.Tensor) -> torch.Tensor:
        return autoencoder.encode(images.to(device) * 2 - 1).latent_dist.mean * scale

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return autoencoder.decode(latents.to(device) / scale).sample / 2 + 0.5

    digest = encoder_digest(autoencoder)[:12]
    return LatentStore(dataset, output / "training" / "latents" / digest, encode, decode)


def encoder_digest(autoencoder: Autoencoder) -> str:
    """SHA-256 of what decides about latents; the decoder may be trained further."""
    digest = hashlib.sha256()
    for name, value in sorted(autoencoder.state_dict().items()):
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(name.encode() + value.cpu().float().numpy().tobytes())
    return digest.hexdigest()


def captions_of(dataset: Dataset) -> list[str]:
    """Every different caption of the shards there are now."""
    parts = [np.unique(read_shard(path, ("caption",))["caption"]) for path in dataset.shards()]
    return [str(caption) for caption in np.unique(np.concatenate(parts))]

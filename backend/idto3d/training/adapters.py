# SPDX-License-Identifier: GPL-3.0-or-later
"""Specialising the base to normal maps or to albedo: the paper's two stages.

Style: LoRA and identity's keys and values learn the domain. Expression: expression tokens join and
are trained with the LoRA, identity's keys and values rest, so that identity drifts least.

Full: all weights of the UNet on the same data, to see what the few ones give away. Its numbers and
sheets stay with its state; no prior takes its weights.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from idto3d.errors import UserError
from idto3d.prior.attention import cross_attention_processors, modality_parameters
from idto3d.prior.condition import KIND_OF_DOMAIN
from idto3d.prior.layout import adapter_tensors, write_tensors
from idto3d.prior.load import Prior, apply_conditioning, load_prior
from idto3d.prior.lora import export_lora, inject_lora, lora_parameters
from idto3d.prior.manifest import Manifest, read_manifest, write_manifest
from idto3d.training.base import open_autoencoder, open_store
from idto3d.training.batches import Sampler
from idto3d.training.checkpoint import Counters
from idto3d.training.diffusion import ConditionedDenoiser, make_projector
from idto3d.training.loop import make_accelerator
from idto3d.training.settings import TrainingSettings
from idto3d.training.shards import Dataset, Identities
from idto3d.training.stage import Stage, fill_store, require_fresh_or_resume, run_stage

PHASES = ("style", "expression")


def train_adapter(
    dataset: Dataset,
    output: Path,
    settings: TrainingSettings,
    resume: bool,
    domain: str,
    phase: str,
    expression_texts: dict[str, str],
) -> None:
    """Train the adapter of `domain` ("geometry" or "albedo") on the base in `output`.

    phase: "style", "expression" (which starts from the style phase's adapter), "both", which
    shares the budget between them, or "full". Raises UserError as the base's training does.
    """
    for current in PHASES if phase == "both" else (phase,):
        run = settings.run
        if phase == "both":
            share = settings.adapter.style_share
            share = share if current == "style" else 1 - share
            run = dataclasses.replace(
                run,
                minutes=None if run.minutes is None else run.minutes * share,
                samples=None if run.samples is None else round(run.samples * share),
            )
        own = dataclasses.replace(settings, run=run)
        train_phase(dataset, output, own, resume, domain, current, expression_texts)


def train_phase(
    dataset: Dataset,
    output: Path,
    settings: TrainingSettings,
    resume: bool,
    domain: str,
    phase: str,
    expression_texts: dict[str, str],
) -> Counters:
    """One phase of one adapter; the state is in `output/training/<domain>-<phase>`."""
    name = f"{domain}-{phase}"
    require_fresh_or_resume(output / "training" / name, resume)
    identities = dataset.identities()
    accelerator = make_accelerator(settings.run)
    torch.manual_seed(settings.run.seed)
    # The base without this domain's adapter; from a Stable Diffusion folder as well.
    prior = load_prior(output, "photo", accelerator.device)
    manifest = dataclasses.replace(
        prior.manifest,
        expressions=dataset.expressions,
        expression_texts={name: expression_texts[name] for name in dataset.expressions},
        identity_dimension=identities.embedding.shape[-1],
    )
    own_projector = prior.projector is None
    denoiser = _open_denoiser(prior, settings, identities)
    style = output / "training" / f"{domain}-style" / "adapter.safetensors"
    if phase == "style":
        ranks = settings.adapter.self_attention_rank, settings.adapter.cross_attention_rank
        inject_lora(denoiser.unet, *ranks)
    elif phase == "expression":
        _start_expression(denoiser, prior, manifest, style)
    autoencoder = open_autoencoder(output).to(accelerator.device)
    sampler = Sampler(
        open_store(dataset, output, autoencoder),
        prior.tokenizer,
        [expression_texts[name] for name in dataset.expressions],
        manifest.identity_photos,
        {KIND_OF_DOMAIN[domain]: 1.0},
        settings.diffusion,
        expression_in_caption=0.0,
        spatial_hint=manifest.spatial_hint,
        painted_hint=manifest.painted_hint,
    )
    fill_store(sampler)
    stage = Stage(
        name,
        settings.run,
        denoiser,
        trained_parameters(denoiser, phase, own_projector),
        sampler,
        prior.schedule,
        prior.scheduler.config.prediction_type,
        _leave
        if phase == "full"
        else _exporter(output, domain, phase, denoiser, manifest, own_projector),
        settings.adapter.identity_drift if phase == "expression" else None,
    )
    return run_stage(accelerator, stage, output, settings, resume)


def trained_parameters(
    denoiser: ConditionedDenoiser, phase: str, own_projector: bool
) -> dict[str, nn.Parameter]:
    """What a phase trains, by path in the denoiser; own_projector: the base has no identity MLP."""
    if phase == "full":
        return {f"unet.{name}": weight for name, weight in denoiser.unet.named_parameters()}
    modality = "identity" if phase == "style" else "expression"
    parts = lora_parameters(denoiser.unet) | modality_parameters(denoiser.unet, modality)
    trained = {f"unet.{name}": parameter for name, parameter in parts.items()}
    if own_projector and phase == "style":
        own = denoiser.projector.named_parameters()
        trained |= {f"projector.{name}": parameter for name, parameter in own}
    return trained


def _open_denoiser(
    prior: Prior, settings: TrainingSettings, identities: Identities
) -> ConditionedDenoiser:
    """The base as a trainable module, with identity attention even if the base has none."""
    projector = prior.projector
    if projector is None:
        width = prior.unet.config.cross_attention_dim
        projector = make_projector(settings.denoiser, identities.embedding.shape[-1], width)
        projector.standardise_with(torch.from_numpy(identities.trained()))
        projector.to(prior.device)
        for processor in cross_attention_processors(prior.unet).values():
            processor.add_modality("identity")
        prior.unet.to(prior.device)
    return ConditionedDenoiser(
        prior.unet, prior.text_encoder, projector, prior.manifest.spatial_hint
    )


def _start_expression(
    denoiser: ConditionedDenoiser, prior: Prior, manifest: Manifest, path: Path
) -> None:
    """Take the style phase's weights and add expression tokens, keys and values."""
    if not path.is_file():
        raise UserError(f"{path} is missing. Train the style phase first: --phase style.")
    identity = apply_conditioning(denoiser.unet, manifest, path, fold=False)
    if identity is not None:
        denoiser.projector.load_state_dict(identity.state_dict())
    for processor in cross_attention_processors(denoiser.unet).values():
        if "expression" not in processor.to_k:
            processor.add_modality("expression")
    denoiser.unet.to(prior.device)
    texts = [manifest.expression_texts[name] for name in manifest.expressions]
    denoiser.expressions = prior.encode_texts(texts, manifest.expression_tokens)


def _leave(counters: Counters) -> None:
    """Export nothing."""


def _exporter(
    output: Path,
    domain: str,
    phase: str,
    denoiser: ConditionedDenoiser,
    manifest: Manifest,
    own_projector: bool,
) -> Callable[[Counters], None]:
    """The function that writes the adapter and its entry in prior.json."""
    modalities = ("identity",) if phase == "style" else ("identity", "expression")

    def export(counters: Counters) -> None:
        processors: dict[str, nn.Parameter] = {}
        for modality in modalities:
            processors |= modality_parameters(denoiser.unet, modality)
        projector = denoiser.projector.state_dict() if own_projector else {}
        tensors = adapter_tensors(export_lora(denoiser.unet), processors, projector)
        name = f"adapters/{domain}.safetensors"
        write_tensors(output / name, tensors)
        if phase == "style":
            write_tensors(output / "training" / f"{domain}-style" / "adapter.safetensors", tensors)
        # Read anew: the other domain's adapter may have been written meanwhile.
        now = read_manifest(output)
        record = {f"{domain}-{phase}": dataclasses.asdict(counters)}
        write_manifest(
            output,
            dataclasses.replace(
                manifest,
                adapters={**now.adapters, domain: name},
                training={**now.training, **record},
            ),
        )

    return export

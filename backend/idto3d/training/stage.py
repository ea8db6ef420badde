# SPDX-License-Identifier: GPL-3.0-or-later
"""Running one diffusion stage, base or adapter: optimiser, averages, state, export, sheets."""

import dataclasses
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from idto3d.errors import UserError
from idto3d.prior.denoiser import NoiseSchedule
from idto3d.training.batches import Sampler
from idto3d.training.checkpoint import Counters, has_state, load_state, save_state
from idto3d.training.diffusion import ConditionedDenoiser, diffusion_loss
from idto3d.training.drift import (
    DriftWatch,
    identity_margin,
    read_reference,
    write_reference,
)
from idto3d.training.ema import MovingAverage
from idto3d.training.loop import train_loop
from idto3d.training.settings import RunSettings, TrainingSettings
from idto3d.training.traits import balanced_weights
from idto3d.training.validation import Validation

# Encoding a shard costs about as much as training on it: take new ones in between, not at once.
_FIRST_SHARDS = 4
_REFRESH_SAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Stage:
    """What distinguishes one diffusion stage from another."""

    name: str  # of the state folder under training/
    run: RunSettings
    denoiser: ConditionedDenoiser
    trained: dict[str, nn.Parameter]  # by their path in the denoiser; all others are frozen
    sampler: Sampler
    schedule: NoiseSchedule
    prediction_type: str
    export: Callable[[Counters], None]  # write the weights; called while averages are applied
    drift: float | None = None  # share of the identity's margin that may be lost; None = any


def require_fresh_or_resume(folder: Path, resume: bool) -> None:
    """Raises UserError rather than overwrite a stage's state unasked."""
    if has_state(folder) and not resume:
        raise UserError(f"{folder} holds a training state. Add --resume or choose another folder.")


def fill_store(sampler: Sampler) -> None:
    """Encode the first shards, until there is somebody to train on. Raises UserError if nobody."""
    store = sampler.store
    print(f"encoding images into {store.folder}", flush=True)
    store.refresh_cached()
    store.refresh(max(0, _FIRST_SHARDS - len(store.known)))
    while not len(sampler.rows(held_out=False)):
        if not store.refresh(1):
            raise UserError(
                f"{store.dataset.folder} has no sample of a person with an embedding who is not "
                "held out. Render more people with `idto3d dataset`."
            )


def run_stage(
    accelerator: Accelerator, stage: Stage, output: Path, settings: TrainingSettings, resume: bool
) -> Counters:
    """Train a stage to the end of its budget; the store must hold samples."""
    folder = output / "training" / stage.name
    require_fresh_or_resume(folder, resume)
    run, denoiser, sampler = stage.run, stage.denoiser, stage.sampler
    for parameter in denoiser.parameters():
        parameter.requires_grad_(False)
    for parameter in stage.trained.values():
        parameter.requires_grad_(True)
    share = _share(stage.trained, denoiser)
    print(f"{stage.name}: {share}", flush=True)
    optimizer = torch.optim.AdamW(
        stage.trained.values(), lr=run.learning_rate, weight_decay=run.weight_decay
    )
    wrapped, optimizer = accelerator.prepare(denoiser, optimizer)
    average = MovingAverage(stage.trained, run.ema_decay)
    generator = torch.Generator().manual_seed(run.seed)
    counters = Counters()
    if has_state(folder):
        # New captions may have brought new words.
        words = denoiser.text_encoder.get_input_embeddings().weight
        growing = [name for name, parameter in stage.trained.items() if parameter is words]
        counters = load_state(
            folder, stage.trained, average, optimizer.optimizer, generator, growing
        )
    if accelerator.num_processes > 1:
        # Each process draws its own samples; on one process the saved generator simply goes on.
        own = run.seed + counters.step * accelerator.num_processes + accelerator.process_index
        generator.manual_seed(own)
    validation = Validation(stage.name, denoiser, sampler, stage.schedule, stage.prediction_type)
    rows = _Rows(sampler, generator)
    metric = sampler.metric().to(accelerator.device)

    def step() -> tuple[dict[str, torch.Tensor], int]:
        batch = sampler.draw(rows.draw(run.batch_size), generator).to(accelerator.device)
        gamma = settings.diffusion.snr_gamma
        with accelerator.autocast(), _attention(accelerator.device):
            loss = diffusion_loss(
                wrapped, batch, stage.schedule, stage.prediction_type, gamma, metric
            )
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(stage.trained.values(), run.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()
        average.update(counters.step + 1)
        return {"loss": loss.detach()}, run.batch_size * accelerator.num_processes

    def save() -> None:
        save_state(folder, counters, stage.trained, average, optimizer.optimizer, generator)
        (folder / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))
        with average.applied():
            stage.export(counters)

    watch = _watch(stage, folder, validation) if accelerator.is_main_process else None

    def sheet() -> bool:
        with average.applied():
            margin = identity_margin(validation.run(folder, counters))
        if watch is None or not watch.drifted(margin):
            return False
        print(
            f"{stage.name}: the identity's margin fell from {watch.reference:.4f} to "
            f"{margin:.4f}; stopping early.",
            flush=True,
        )
        return True

    train_loop(accelerator, run, folder, stage.name, counters, optimizer, step, save, sheet)
    return counters


@torch.no_grad()
def _watch(stage: Stage, folder: Path, validation: Validation) -> DriftWatch | None:
    """What the identity's margin is held to: its value when the phase first began."""
    if stage.drift is None:
        return None
    reference = read_reference(folder)
    if reference is None:
        kinds = stage.sampler.kinds
        reference = identity_margin({kind: validation.errors(kind) for kind in kinds})
        write_reference(folder, reference)
    return DriftWatch(reference, stage.drift)


class _Rows:
    """Random rows of trained people, all kinds of people alike; a new shard joins now and then."""

    def __init__(self, sampler: Sampler, generator: torch.Generator) -> None:
        self.sampler, self.generator = sampler, generator
        self.since_refresh = 0
        self._look()

    def draw(self, count: int) -> np.ndarray:
        """(count,) row numbers, with replacement: so the generator alone is the state to resume."""
        self.since_refresh += count
        if self.since_refresh >= min(_REFRESH_SAMPLES, len(self.rows)):
            self.since_refresh = 0
            if self.sampler.store.refresh(1):
                self._look()
        place = torch.rand(count, generator=self.generator, dtype=torch.float64).numpy()
        return self.rows[np.searchsorted(self.cumulative, place, side="right")]

    def _look(self) -> None:
        self.rows = self.sampler.rows(held_out=False)
        labels = self.sampler.store.labels
        weights = balanced_weights(labels["person"][self.rows], labels["caption"][self.rows])
        # Rounding must not leave the last row out of reach, nor one beyond it within.
        self.cumulative = np.append(np.cumsum(weights / weights.sum())[:-1], 1.0)


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """On the CPU the fused kernel is made for long sequences: over our few cells the plain product
    makes the whole step a quarter faster in bf16."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _share(trained: dict[str, nn.Parameter], denoiser: nn.Module) -> str:
    """How much is trained, in words, against the base without adapters."""
    own = sum(p.numel() for p in trained.values())
    base = sum(
        p.numel()
        for name, p in denoiser.named_parameters()
        if ".lora_" not in name and not name.endswith(".expression.weight")
    )
    return f"{own / 1e6:.2f} M parameters trained, {100 * own / base:.2f} % of the base's"

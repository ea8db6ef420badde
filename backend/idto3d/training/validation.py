# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a stage with people it never saw: numbers into log.jsonl, pictures into a sheet."""

import functools
import json
from pathlib import Path

import numpy as np
import torch

from idto3d.prior.condition import Condition
from idto3d.prior.denoiser import NoiseSchedule, call_unet
from idto3d.prior.sampling import sample_latents
from idto3d.training.batches import Batch, Sampler
from idto3d.training.checkpoint import Counters
from idto3d.training.diffusion import ConditionedDenoiser
from idto3d.training.sheets import save_sheet

_COLUMNS = 8
_MEASURED = 32
_TIMESTEPS = (500, 900)
_GUIDANCE = 2.0


class Validation:
    """Fixed held-out samples with fixed noise, so that numbers of different moments compare."""

    def __init__(
        self,
        name: str,
        denoiser: ConditionedDenoiser,
        sampler: Sampler,
        schedule: NoiseSchedule,
        prediction_type: str,
    ) -> None:
        self.name, self.denoiser, self.sampler = name, denoiser, sampler
        self.schedule, self.prediction_type = schedule, prediction_type
        rows = sampler.rows(held_out=True)
        rows = rows if len(rows) else sampler.rows(held_out=False)
        picked = np.random.default_rng(0).permutation(rows)
        self.measured, self.shown = picked[:_MEASURED], picked[:_COLUMNS]

    @torch.no_grad()
    def run(self, folder: Path, counters: Counters) -> dict[str, dict[str, float]]:
        """Append a record to log.jsonl and write sheet-<samples>.png; returns errors by kind."""
        rows, errors = [], {}
        for kind in self.sampler.kinds:
            errors[kind] = self.errors(kind)
            rows += self.pictures(kind)
        record = {"stage": self.name, "samples": counters.samples, **errors}
        with (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps({"held_out": record}) + "\n")
        print(f"{self.name}: held-out error {json.dumps(record)}", flush=True)
        save_sheet(folder / f"sheet-{counters.samples:08d}.png", rows)
        return errors

    def errors(self, kind: str) -> dict[str, float]:
        """Root mean square error of the predicted clean latents (their deviation is about 1).

        At t = 500 and 900, for the right identity and for another person's; `hint` is the error
        of taking the hint for the picture.
        """
        batch = self._batch(self.measured, kind)
        result = {"hint": _rms(self._normals(batch) - batch.clean)}
        for timestep in _TIMESTEPS:
            result[f"t{timestep}"] = self._error_at(kind, batch, timestep, batch.identity)
            strangers = batch.identity.roll(1, dims=0)
            result[f"t{timestep}_stranger"] = self._error_at(kind, batch, timestep, strangers)
        return {name: round(value, 4) for name, value in result.items()}

    def pictures(self, kind: str) -> list[torch.Tensor]:
        """Rows of the sheet for one kind: hint, sample, truth; (N, 3, H, W) each."""
        batch = self._batch(self.shown, kind)
        generator = torch.Generator().manual_seed(1)
        empty = self.sampler.tokenize([""] * len(batch.clean)).to(batch.clean.device)
        unconditional = Condition(self.denoiser.text_encoder(empty).last_hidden_state)
        latents = sample_latents(
            functools.partial(self._denoise, kind),
            self.schedule,
            self.denoiser.condition(batch),
            unconditional,
            batch.hint if self.denoiser.spatial_hint else None,
            batch.noise,
            _GUIDANCE,
            lambda: torch.randn(batch.noise.shape, generator=generator).to(batch.noise),
        )
        decode = self.sampler.store.decode
        return [decode(self._normals(batch)), decode(latents), decode(batch.clean)]

    def _normals(self, batch: Batch) -> torch.Tensor:
        """What the hint says of the template's normals."""
        return batch.hint[:, : batch.clean.shape[1]]

    def _batch(self, rows: np.ndarray, kind: str) -> Batch:
        """Fully conditioned samples of one kind with fixed noise."""
        generator = torch.Generator().manual_seed(0)
        batch = self.sampler.draw(rows, generator)
        clean = self.sampler.clean(rows, [kind] * len(rows))
        captions = self.sampler.captions(rows, [kind] * len(rows), [False] * len(rows))
        ones = torch.ones_like(batch.identity_keep)
        whole = Batch(
            clean=clean,
            noise=batch.noise,
            timesteps=batch.timesteps,
            hint=batch.hint,
            origin=self.sampler.origin(batch.hint, [kind] * len(rows)),
            text_ids=self.sampler.tokenize(captions),
            identity=batch.identity,
            identity_keep=ones,
            expression=batch.expression,
            expression_keep=ones,
            weight=batch.weight,
        )
        return whole.to(self.denoiser.unet.device)

    def _error_at(self, kind: str, batch: Batch, timestep: int, identity: torch.Tensor) -> float:
        timesteps = torch.full_like(batch.timesteps, timestep)
        own = Batch(**{**vars(batch), "timesteps": timesteps, "identity": identity})
        noisy = self.schedule.add_noise(own.clean, own.noise, timesteps)
        hint = own.hint if self.denoiser.spatial_hint else None
        predicted = self._denoise(kind, noisy, timesteps, self.denoiser.condition(own), hint)
        return _rms(self.schedule.clean_from_noise(noisy, predicted, timesteps) - own.clean)

    def _denoise(
        self,
        kind: str,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        condition: Condition,
        hint: torch.Tensor | None,
    ) -> torch.Tensor:
        timesteps = timesteps.to(latents.device)
        if kind == "normal" and hint is not None:
            latents = self.schedule.without_origin(latents, hint, timesteps)
        output = call_unet(self.denoiser.unet, latents, timesteps, condition, hint)
        return self.schedule.noise_from_output(
            output.float(), latents, timesteps, self.prediction_type
        )


def _rms(values: torch.Tensor) -> float:
    return float(values.float().square().mean().sqrt())

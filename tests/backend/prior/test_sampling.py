# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of a distribution whose best denoiser is known have its mean and its spread."""

import pytest
import torch

from idto3d.prior.condition import Condition
from idto3d.prior.denoiser import NoiseSchedule
from idto3d.prior.sampling import sample_latents
from idto3d.training.diffusion import make_scheduler
from idto3d.training.settings import DiffusionSettings

COUNT = 4000
SPREAD = 0.5
SCHEDULE = NoiseSchedule.from_cumulative(make_scheduler(DiffusionSettings()).alphas_cumprod)


def sampled(guidance: float, steps: int, seed: int = 0) -> torch.Tensor:
    """Of a normal distribution around 2 with the condition, around 0 without."""

    def denoise(
        latents: torch.Tensor, timesteps: torch.Tensor, condition: Condition, hint: object
    ) -> torch.Tensor:
        alpha, sigma = SCHEDULE.at(timesteps, latents)
        mean = 2.0 * condition.text[:, :1, :1, None]
        gain = alpha * SPREAD**2 / (alpha.square() * SPREAD**2 + sigma.square())
        clean = mean + gain * (latents - alpha * mean)
        return (latents - alpha * clean) / sigma

    generator = torch.Generator().manual_seed(seed)

    def fresh() -> torch.Tensor:
        return torch.randn(COUNT, 1, 1, 1, generator=generator)

    told, untold = (Condition(torch.full((COUNT, 1, 1), value)) for value in (1.0, 0.0))
    return sample_latents(denoise, SCHEDULE, told, untold, None, fresh(), guidance, fresh, steps)


def test_mean_and_spread_are_those_of_the_distribution() -> None:
    found = sampled(1.0, 100)
    # The schedule's last moment still holds a little of the picture, which pure noise lacks.
    assert float(found.mean()) == pytest.approx(2.0, abs=0.05)
    assert float(found.std()) == pytest.approx(SPREAD, rel=0.06)


def test_guidance_leads_beyond_the_condition() -> None:
    assert float(sampled(2.0, 50).mean()) > float(sampled(1.0, 50).mean()) + 0.3


def test_the_same_noise_gives_the_same_samples() -> None:
    assert torch.equal(sampled(1.5, 20), sampled(1.5, 20))
    assert not torch.equal(sampled(1.5, 20), sampled(1.5, 20, seed=1))

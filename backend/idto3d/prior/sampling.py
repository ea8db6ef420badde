# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing pictures from a prior, for sample sheets and evaluation."""

from collections.abc import Callable

import torch

from idto3d.prior.condition import Condition, stack_conditions
from idto3d.prior.denoiser import NoiseSchedule

# Noise that is renewed mends the errors of a small network, if the steps are small as well: with 20
# steps, or without it, faces come out smudged that are whole with 50.
STEPS = 50

Denoise = Callable[[torch.Tensor, torch.Tensor, Condition, torch.Tensor | None], torch.Tensor]


@torch.no_grad()
def sample_latents(
    denoise: Denoise,
    schedule: NoiseSchedule,
    condition: Condition,
    unconditional: Condition,
    hint_latents: torch.Tensor | None,
    noise: torch.Tensor,
    guidance_scale: float,
    fresh: Callable[[], torch.Tensor],
    steps: int = STEPS,
) -> torch.Tensor:
    """Latents (B, C, h, w) from noise of that shape (Song et al. 2021, eqs. 12 and 16, eta = 1).

    fresh() draws more noise of that shape. denoise(latents, timesteps, condition, hint) predicts
    noise. Guidance: eps = eps_uncond + scale (eps_cond - eps_uncond), so 1 is the plain conditional
    sample.
    """
    both = stack_conditions([condition, unconditional])
    hints = None if hint_latents is None else torch.cat([hint_latents, hint_latents])
    timesteps = torch.linspace(len(schedule.alpha) - 1, 0, steps).long()
    latents = noise
    for step, timestep in enumerate(timesteps):
        now = timestep.expand(len(latents))
        predicted = denoise(torch.cat([latents, latents]), now.repeat(2), both, hints)
        conditional, plain = predicted.chunk(2)
        guided = plain + guidance_scale * (conditional - plain)
        clean = schedule.clean_from_noise(latents, guided, now)
        if step + 1 == steps:
            return clean
        (alpha, sigma), (next_alpha, next_sigma) = (
            schedule.at(moment, latents)
            for moment in (now, timesteps[step + 1].expand(len(latents)))
        )
        renewed = next_sigma / sigma * (1 - (alpha / next_alpha).square()).sqrt()
        kept = (next_sigma.square() - renewed.square()).clamp(min=0).sqrt()
        latents = next_alpha * clean + kept * guided + renewed * fresh()
    raise ValueError("steps must be at least 1")

# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing pictures from a prior by deterministic DDIM, for sample sheets and evaluation."""

from collections.abc import Callable

import torch

from idto3d.prior.condition import Condition, stack_conditions
from idto3d.prior.denoiser import NoiseSchedule

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
    steps: int = 20,
) -> torch.Tensor:
    """Latents (B, C, h, w) from noise of that shape (Song et al. 2021, eq. 12, sigma = 0).

    denoise(latents, timesteps, condition, hint) predicts noise. Guidance:
    eps = eps_uncond + scale (eps_cond - eps_uncond), so 1 is the plain conditional sample.
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
        following = timesteps[step + 1].expand(len(latents))
        latents = schedule.add_noise(clean, guided, following)
    raise ValueError("steps must be at least 1")

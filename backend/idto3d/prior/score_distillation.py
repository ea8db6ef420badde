# SPDX-License-Identifier: GPL-3.0-or-later
"""Score distillation: a gradient on rendered pictures that makes them likelier under a prior.

SDS (Poole et al. 2023, DreamFusion, eq. 3): the gradient on the latents z of a picture is
w(t) (eps_hat(z_t; t, y) - eps), the denoiser's own Jacobian left out.

Guidance here is eps_hat = eps_uncond + s (eps_cond - eps_uncond): s = 1 is the plain conditional
prediction. threestudio writes eps_cond + s (eps_cond - eps_uncond), which is our s + 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from idto3d.prior.condition import Condition, stack_conditions
from idto3d.prior.denoiser import NoiseSchedule


class Denoiser(Protocol):
    """What is needed of a prior; `idto3d.prior.load.Prior` is one."""

    schedule: NoiseSchedule

    def denoise(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        condition: Condition,
        hint_latents: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Noise predicted in latents (B, C, h, w) at timesteps (B,), float32."""


@dataclass(frozen=True)
class DistillationSettings:
    """How the gradient is formed."""

    guidance_scale: float = 10.0  # s; the paper's value
    # "sigma_squared": w = sigma_t^2, DreamFusion's. "clean_residual": w = sigma_t / alpha_t, which
    # makes the gradient z - x_hat with the predicted clean latents x_hat: every noise level then
    # pulls by the distance it wants the picture to move.
    weighting: str = "sigma_squared"
    negative_scale: float = 0.0  # push away from the negative condition by this much, if given
    split_branches: bool = False  # a call for each branch instead of one batch: less memory


@dataclass(frozen=True)
class Distillation:
    """One evaluation for B views."""

    loss: torch.Tensor  # (); its gradient on the latents is the distillation gradient / B
    gradient: torch.Tensor  # (B, C, h, w), w (eps_hat - eps), detached
    clean: torch.Tensor  # (B, C, h, w), the predicted clean latents, detached
    timesteps: torch.Tensor  # (B,)


def distill(
    prior: Denoiser,
    latents: torch.Tensor,
    condition: Condition,
    unconditional: Condition,
    timesteps: torch.Tensor,
    generator: torch.Generator,
    settings: DistillationSettings,
    hint_latents: torch.Tensor | None = None,
    negative: Condition | None = None,
) -> Distillation:
    """Distil all views in one denoiser call.

    latents (B, C, h, w): of the rendered pictures, with gradient. condition, unconditional,
    negative: B entries each. hint_latents (B, C, h, w): seen by all branches. The noise is drawn
    on the CPU from `generator`, so that a seed means the same on every device.
    """
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    with torch.no_grad():
        noisy = prior.schedule.add_noise(latents, noise, timesteps)
        predicted = _guided(
            prior, noisy, timesteps, condition, unconditional, negative, hint_latents, settings
        )
        alpha, sigma = prior.schedule.at(timesteps, latents)
        gradient = _weight(alpha, sigma, settings.weighting) * (predicted - noise)
        clean = prior.schedule.clean_from_noise(noisy, predicted, timesteps)
    # d/dz of 0.5 |z - stop(z - g)|^2 is g: an ordinary loss that an optimiser can sum with others.
    target = (latents - gradient).detach()
    loss = 0.5 * (latents - target).square().sum() / len(latents)
    return Distillation(loss, gradient, clean, timesteps)


def _guided(
    prior: Denoiser,
    noisy: torch.Tensor,
    timesteps: torch.Tensor,
    condition: Condition,
    unconditional: Condition,
    negative: Condition | None,
    hint_latents: torch.Tensor | None,
    settings: DistillationSettings,
) -> torch.Tensor:
    """eps_uncond + s (eps_cond - eps_uncond) - n (eps_negative - eps_uncond)."""
    scale = settings.guidance_scale
    use_negative = negative is not None and settings.negative_scale != 0
    if scale == 1 and not use_negative:
        # The unconditional branch cancels out: one call for half the price.
        return prior.denoise(noisy, timesteps, condition, hint_latents)
    branches = [condition, unconditional]
    if negative is not None and use_negative:
        branches.append(negative)
    if settings.split_branches:
        parts = [prior.denoise(noisy, timesteps, branch, hint_latents) for branch in branches]
        return _combined(parts, settings, use_negative)
    count = len(branches)
    hints = None if hint_latents is None else torch.cat([hint_latents] * count)
    output = prior.denoise(
        torch.cat([noisy] * count), timesteps.repeat(count), stack_conditions(branches), hints
    )
    return _combined(output.chunk(count), settings, use_negative)


def _combined(
    parts: Sequence[torch.Tensor], settings: DistillationSettings, use_negative: bool
) -> torch.Tensor:
    """The guided noise of the conditional, unconditional and, if used, negative branch."""
    guided = parts[1] + settings.guidance_scale * (parts[0] - parts[1])
    if use_negative:
        guided = guided - settings.negative_scale * (parts[2] - parts[1])
    return guided


def _weight(alpha: torch.Tensor, sigma: torch.Tensor, weighting: str) -> torch.Tensor:
    """w(t) for the gradient w (eps_hat - eps)."""
    if weighting == "sigma_squared":
        return sigma.square()
    if weighting == "clean_residual":
        # z - x_hat = (sigma / alpha) (eps_hat - eps), since z_t = alpha z + sigma eps.
        return sigma / alpha
    raise ValueError(f"unknown weighting {weighting!r}")

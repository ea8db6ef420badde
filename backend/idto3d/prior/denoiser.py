# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of the UNet, and the algebra between what it predicts and the noise."""

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from idto3d.prior.condition import Condition


@dataclass(frozen=True)
class NoiseSchedule:
    """z_t = alpha_t x + sigma_t eps with alpha_t^2 + sigma_t^2 = 1 (variance preserving)."""

    alpha: torch.Tensor  # (T,) float32
    sigma: torch.Tensor  # (T,) float32

    @staticmethod
    def from_cumulative(alphas_cumprod: torch.Tensor) -> "NoiseSchedule":
        """From a diffusers scheduler's alphas_cumprod (T,)."""
        values = alphas_cumprod.float()
        return NoiseSchedule(values.sqrt(), (1 - values).sqrt())

    def at(self, timesteps: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha and sigma of timesteps (B,), shaped (B, 1, ...) and placed as `like`."""
        shape = (-1,) + (1,) * (like.dim() - 1)
        index = timesteps.to(self.alpha.device)
        return (
            self.alpha[index].view(shape).to(like),
            self.sigma[index].view(shape).to(like),
        )

    def add_noise(
        self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """z_t for clean latents, noise (B, ...) and timesteps (B,)."""
        alpha, sigma = self.at(timesteps, clean)
        return alpha * clean + sigma * noise

    def clean_from_noise(
        self, noisy: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """x = (z_t - sigma eps) / alpha."""
        alpha, sigma = self.at(timesteps, noisy)
        return (noisy - sigma * noise) / alpha

    def without_origin(
        self, noisy: torch.Tensor, origin: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """Noisy latents of x - origin, given those of x: the same noise, another clean picture.

        A prior with a spatial hint denoises normals as their difference from the hint's: a network
        that has learned nothing yet then says 'as the hint', not 'a grey blur'. The origin may have
        more channels (a hint's colours follow its normals); they are left out.
        """
        alpha, _ = self.at(timesteps, noisy)
        return noisy - alpha * origin[:, : noisy.shape[1]]

    def noise_from_output(
        self, output: torch.Tensor, noisy: torch.Tensor, timesteps: torch.Tensor, kind: str
    ) -> torch.Tensor:
        """The noise that a network's output means; kind is diffusers' prediction_type.

        v = alpha eps - sigma x (Salimans and Ho 2022), hence eps = alpha v + sigma z.
        """
        alpha, sigma = self.at(timesteps, noisy)
        if kind == "epsilon":
            return output
        if kind == "v_prediction":
            return alpha * output + sigma * noisy
        if kind == "sample":
            return (noisy - alpha * output) / sigma
        raise ValueError(f"unknown prediction type {kind!r}")


def call_unet(
    unet: UNet2DConditionModel,
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    condition: Condition,
    hint_latents: torch.Tensor | None,
) -> torch.Tensor:
    """The raw output (B, C, h, w) for noisy latents, the hint's latents beside them if given.

    A UNet with a class projection is also told the pooled condition beside the timestep.
    """
    inputs = latents if hint_latents is None else torch.cat([latents, hint_latents], dim=1)
    return unet(
        inputs,
        timesteps,
        encoder_hidden_states=condition.text,
        class_labels=condition.pooled() if unet.config.class_embed_type == "projection" else None,
        cross_attention_kwargs={"tokens": condition.extra()},
    ).sample


def call_with_tensors(
    unet: UNet2DConditionModel,
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    text: torch.Tensor,
    identity: torch.Tensor | None = None,
    expression: torch.Tensor | None = None,
    hint_latents: torch.Tensor | None = None,
) -> torch.Tensor:
    """`call_unet` with the condition's parts by name: whatever varies is a tensor argument, so that
    a call can be recorded.
    """
    return call_unet(unet, latents, timesteps, Condition(text, identity, expression), hint_latents)

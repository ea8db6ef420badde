# SPDX-License-Identifier: GPL-3.0-or-later
"""Score distillation on a denoiser whose answer is known in closed form."""

from dataclasses import dataclass

import pytest
import torch

from idto3d.prior.condition import Condition
from idto3d.prior.denoiser import NoiseSchedule
from idto3d.prior.score_distillation import DistillationSettings, distill
from idto3d.prior.timesteps import GEOMETRY, draw_timesteps

SHAPE = (2, 4, 6, 6)


@dataclass
class GaussianPrior:
    """The exact denoiser of a normal distribution whose mean is the condition's text token.

    For x ~ N(m, d^2): E[eps | z_t] = sigma (z_t - alpha m) / (alpha^2 d^2 + sigma^2).
    """

    schedule: NoiseSchedule
    deviation: float = 0.3
    calls: int = 0

    def denoise(self, latents, timesteps, condition, hint_latents=None):  # noqa: ANN001, ANN201
        self.calls += 1
        mean = condition.text.reshape(len(latents), *SHAPE[1:])
        alpha, sigma = self.schedule.at(timesteps, latents)
        variance = (alpha * self.deviation).square() + sigma.square()
        return sigma * (latents - alpha * mean) / variance


@pytest.fixture
def prior() -> GaussianPrior:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()
    return GaussianPrior(NoiseSchedule.from_cumulative((1 - betas).cumprod(0)))


def _condition(mean: torch.Tensor) -> Condition:
    return Condition(mean.reshape(len(mean), 1, -1))


def _optimise(
    prior: GaussianPrior, settings: DistillationSettings, seed: int = 0, steps: int = 250
):
    """Adam on the latents themselves; returns them and the mean they should find."""
    mean = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7))
    away = torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))
    generator = torch.Generator().manual_seed(seed)
    latents = torch.zeros(SHAPE, requires_grad=True)
    optimizer = torch.optim.Adam([latents], lr=0.03)
    for step in range(steps):
        timesteps = draw_timesteps(GEOMETRY, step / steps, SHAPE[0], generator)
        result = distill(
            prior, latents, _condition(mean), _condition(away), timesteps, generator, settings
        )
        optimizer.zero_grad()
        result.loss.backward()
        optimizer.step()
    return latents.detach(), mean, away


@pytest.mark.parametrize("weighting", ["sigma_squared", "clean_residual"])
def test_recovers_the_mean(prior: GaussianPrior, weighting: str) -> None:
    settings = DistillationSettings(guidance_scale=1.0, weighting=weighting)
    latents, mean, _ = _optimise(prior, settings)
    assert (latents - mean).square().mean().sqrt() < 0.15 * mean.std()


def test_guidance_formula_moves_the_optimum_as_stated(prior: GaussianPrior) -> None:
    # eps is linear in the mean, so the optimum is uncond + s (cond - uncond) exactly.
    latents, mean, away = _optimise(prior, DistillationSettings(guidance_scale=1.5))
    expected = away + 1.5 * (mean - away)
    assert (latents - expected).square().mean().sqrt() < 0.15 * expected.std()


def test_gradient_is_injected_unchanged(prior: GaussianPrior) -> None:
    latents = torch.randn(SHAPE, requires_grad=True)
    condition = _condition(torch.zeros(SHAPE))
    result = distill(
        prior,
        latents,
        condition,
        condition,
        torch.tensor([100, 600]),
        torch.Generator().manual_seed(0),
        DistillationSettings(guidance_scale=3.0),
    )
    result.loss.backward()
    torch.testing.assert_close(latents.grad, result.gradient / SHAPE[0], atol=1e-6, rtol=1e-4)
    assert prior.calls == 1  # both branches of both views at once


def test_clean_residual_is_the_distance_to_the_prediction(prior: GaussianPrior) -> None:
    latents = torch.randn(SHAPE, requires_grad=True)
    result = distill(
        prior,
        latents,
        _condition(torch.ones(SHAPE)),
        _condition(torch.zeros(SHAPE)),
        torch.tensor([100, 600]),
        torch.Generator().manual_seed(0),
        DistillationSettings(guidance_scale=2.0, weighting="clean_residual"),
    )
    expected = latents.detach() - result.clean
    torch.testing.assert_close(result.gradient, expected, atol=1e-4, rtol=1e-3)


def test_negative_branch_pushes_away(prior: GaussianPrior) -> None:
    def gradient(scale: float) -> torch.Tensor:
        zeros, ones = torch.zeros(SHAPE), torch.ones(SHAPE)
        settings = DistillationSettings(guidance_scale=1.0, negative_scale=scale)
        return distill(
            prior,
            zeros.clone().requires_grad_(),
            _condition(zeros),
            _condition(zeros),
            torch.tensor([300, 300]),
            torch.Generator().manual_seed(0),
            settings,
            negative=_condition(ones),
        ).gradient

    # Descent goes against the gradient: away from the negative mean at +1 is a higher gradient.
    assert ((gradient(0.5) - gradient(0.0)) > 0).all()


def test_same_seed_same_result(prior: GaussianPrior) -> None:
    settings = DistillationSettings(guidance_scale=2.0)
    first, _, _ = _optimise(prior, settings, seed=3, steps=5)
    again, _, _ = _optimise(prior, settings, seed=3, steps=5)
    other, _, _ = _optimise(prior, settings, seed=4, steps=5)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)

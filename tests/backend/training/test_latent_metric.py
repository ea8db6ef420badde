# SPDX-License-Identifier: GPL-3.0-or-later
"""The loss's metric over the directions of latents."""

import pytest
import torch

from idto3d.training.latent_metric import covariance, detail_metric


def _latents() -> torch.Tensor:
    """(64,3,5,5) with variances 9, 1 and 0.04 along three turned directions."""
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator))
    plain = torch.randn(64, 3, 5, 5, generator=generator)
    plain = plain * torch.tensor([3.0, 1.0, 0.2]).view(1, 3, 1, 1) + 5
    return torch.einsum("ij,bjhw->bihw", turn, plain)


def test_covariance_is_that_of_all_parts_together() -> None:
    latents = _latents()
    cells = latents.movedim(1, -1).flatten(0, -2)
    expected = torch.cov(cells.T.double(), correction=0)
    torch.testing.assert_close(covariance(latents.split(20)), expected)


def test_power_one_weighs_each_direction_against_its_own_variance() -> None:
    spread = covariance([_latents()])
    metric = detail_metric(spread, 1.0).double()
    whitened = metric @ spread @ metric.mT
    expected = torch.eye(3, dtype=torch.float64) * spread.trace() / 3
    torch.testing.assert_close(whitened, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("power", [0.0, 0.5, 0.75])
def test_power_between(power: float) -> None:
    spread = covariance([_latents()])
    metric = detail_metric(spread, power).double()
    torch.testing.assert_close(metric, metric.mT)
    variance, directions = torch.linalg.eigh(spread)
    weight = (directions.mT @ metric @ metric @ directions).diagonal()
    ratio = (variance[0] / variance[2]) ** -power
    torch.testing.assert_close(weight[0] / weight[2], ratio, rtol=1e-4, atol=1e-6)
    # Errors that are distributed as the latents weigh the same for each power.
    torch.testing.assert_close((metric @ spread @ metric).trace(), spread.trace())


def test_a_direction_without_variance_stays_finite() -> None:
    spread = torch.diag(torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64))
    assert detail_metric(spread, 1.0).isfinite().all()


def test_without_any_variance_all_directions_count_the_same() -> None:
    metric = detail_metric(torch.zeros(3, 3, dtype=torch.float64), 0.75)
    torch.testing.assert_close(metric, torch.eye(3))

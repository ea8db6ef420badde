# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's timestep schedules."""

import torch

from idto3d.prior.timesteps import GEOMETRY, TEXTURE, draw_timesteps


def _draw(phases, progress: float) -> torch.Tensor:  # noqa: ANN001
    return draw_timesteps(phases, progress, 4000, torch.Generator().manual_seed(0))


def test_geometry_is_uniform_then_annealed() -> None:
    first = _draw(GEOMETRY, 0.25)
    assert (int(first.min()), int(first.max())) == (200, 700)
    assert abs(float(first.float().mean()) - 450) < 10
    assert set(_draw(GEOMETRY, 0.5001).tolist()) == {200}
    assert set(_draw(GEOMETRY, 0.75).tolist()) == {125}
    assert set(_draw(GEOMETRY, 1.0).tolist()) == {50}


def test_texture_narrows_at_the_end() -> None:
    first, last = _draw(TEXTURE, 0.8), _draw(TEXTURE, 0.81)
    assert first.max() > 880
    assert first.min() >= 50
    assert (int(last.min()), int(last.max())) == (50, 500)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth random patterns over directions, without a seam at the poles or around."""

import torch
from torch import Tensor

from .random_draws import Draws

OCTAVES = 5
WAVES = 6


def dome_noise(direction: Tensor, draw: Draws, frequency: float = 3.0) -> Tensor:
    """(...,1) in (0,1) with mean about one half, over vectors (...,3).

    Octaves of plane waves in random directions; each wave's phase is shifted by the octave
    before, which breaks up the regular interference.
    """
    total = torch.zeros(direction.shape[:-1])
    for octave in range(OCTAVES):
        scale = frequency * 2.0**octave
        wave = scale * torch.nn.functional.normalize(draw.normal(WAVES, 3), dim=1)
        phase = 6.28 * torch.rand(WAVES, generator=draw.generator)
        waves = torch.sin(direction @ wave.T + phase + 1.5 * total.unsqueeze(-1))
        total = total + waves.mean(-1) * 0.6**octave
    return torch.sigmoid(4 * total).unsqueeze(-1)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which noise levels score distillation looks at, and when (the paper's supplement)."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TimestepPhase:
    """One part of an optimisation; bounds in steps of the prior's 1000-step noise schedule."""

    until: float  # the phase ends at this share of the optimisation, 0 to 1
    first: int  # one bound of the uniform draw, or the annealed value at the phase's start
    last: int  # the other bound, or the annealed value at the phase's end
    annealed: bool = False  # go from `first` to `last` in a straight line instead of drawing


# Geometry: first half uniform in [200, 700], then annealed from 200 down to 50.
GEOMETRY = (TimestepPhase(0.5, 200, 700), TimestepPhase(1.0, 200, 50, annealed=True))
# Texture: stage 1 (80 % of the iterations), stage 2.
TEXTURE = (TimestepPhase(0.8, 50, 900), TimestepPhase(1.0, 50, 500))


def draw_timesteps(
    phases: tuple[TimestepPhase, ...], progress: float, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Timesteps (count,) int64 at `progress` in [0, 1] of the optimisation.

    The phases are in order; the last one's `until` is 1.
    """
    start = 0.0
    for phase in phases:
        if progress <= phase.until:
            break
        start = phase.until
    if phase.annealed:
        share = (progress - start) / (phase.until - start)
        return torch.full((count,), round(phase.first + share * (phase.last - phase.first)))
    return torch.randint(phase.first, phase.last + 1, (count,), generator=generator)

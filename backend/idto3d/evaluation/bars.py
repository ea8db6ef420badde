# SPDX-License-Identifier: GPL-3.0-or-later
"""What an evaluation has to reach, and by how much it does or doesn't."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idto3d.evaluation.probes import POSES
from idto3d.evaluation.scores import Group, Score, recognised_share

OF_TEMPLATE, OF_STAGE_ZERO = 0.5, 1.0  # at most, shares of their median face errors
FRONTAL, AT_45, RECOGNISED, KEPT = 0.9, 0.6, 0.9, 0.8  # at least


@dataclass(frozen=True)
class Bar:
    """One figure and its aim."""

    name: str
    value: float
    aim: float
    at_least: bool  # else at most

    @property
    def reached(self) -> bool:
        return self.value >= self.aim if self.at_least else self.value < self.aim

    def sentence(self) -> str:
        """'rank 1, frontal, facenet: 0.82, aim at least 0.90: missed by 0.08'"""
        side = "at least" if self.at_least else "below"
        end = "reached" if self.reached else f"missed by {abs(self.aim - self.value):.2f}"
        return f"{self.name}: {self.value:.2f}, aim {side} {self.aim:.2f}: {end}"


def bars(scores: Sequence[Score], groups: dict[str, Group]) -> list[Bar]:
    """Those that were measured; identity by the judges that nothing was optimised with."""
    median = {
        name: float(np.mean([getattr(score, name).median for score in scores]))
        for name in ("template", "stage_zero", "generated")
    }
    found = [
        Bar("median face error, share of the unshaped template's",
            median["generated"] / median["template"], OF_TEMPLATE, False),
        Bar("median face error, share of stage 0's",
            median["generated"] / median["stage_zero"], OF_STAGE_ZERO, False),
    ]  # fmt: skip
    for judge, group in groups.items():
        if group.optimised_with:
            continue
        at = {yaw: group.poses[POSES.index(yaw)].rank_one for yaw in (-45, 0, 45)}
        found += [
            Bar(f"rank 1, frontal, {judge}", at[0], FRONTAL, True),
            Bar(
                f"rank 1, 45 degrees to both sides, {judge}", 0.5 * (at[-45] + at[45]), AT_45, True
            ),
        ]
        kept = [each.share for name, each in group.expressions.items() if name != "neutral"]
        if kept:
            name = f"identity kept through expressions, {judge}"
            found.append(Bar(name, float(np.mean(kept)), KEPT, True))
    if share := recognised_share(scores):
        for how in ("landmarks", "normals"):
            value = share[f"by_{how}"]
            found.append(Bar(f"expressions recognised by {how}", value, RECOGNISED, True))
    return found

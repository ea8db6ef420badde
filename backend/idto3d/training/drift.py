# SPDX-License-Identifier: GPL-3.0-or-later
"""Early stopping: the expression phase ends before it forgets who people are.

Held-out people are denoised with their own embedding and with a stranger's. How much better their
own does is the margin; a phase that loses too much of the margin it began with is stopped.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = "identity.json"  # beside a phase's state, so that a resumed phase has the same reference


@dataclass(frozen=True)
class DriftWatch:
    """A phase's margin at its start, and what share of it may be lost."""

    reference: float
    tolerance: float  # 0.2 = a fifth

    def drifted(self, margin: float) -> bool:
        """True when too much is lost; never when there was no margin to lose."""
        return self.reference > 0 and margin < (1 - self.tolerance) * self.reference


def identity_margin(errors: Mapping[str, Mapping[str, float]]) -> float:
    """Mean of stranger's error minus own over kinds and noise levels of `Validation.errors`."""
    differences = [
        own[f"{name}_stranger"] - value
        for own in errors.values()
        for name, value in own.items()
        if f"{name}_stranger" in own
    ]
    return sum(differences) / len(differences)


def read_reference(folder: Path) -> float | None:
    """The margin that a phase began with; None at its first start."""
    path = folder / FILE
    return float(json.loads(path.read_text())["margin"]) if path.is_file() else None


def write_reference(folder: Path, margin: float) -> None:
    """Remember the margin that a phase begins with."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps({"margin": margin}) + "\n")

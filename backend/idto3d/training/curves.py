# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss curves of a prior's training as one picture: `python -m idto3d.training.curves PRIOR PNG`.

Read from the log.jsonl of each stage: the training loss, the error on people never trained on, and
how much better their own identity serves than a stranger's (`drift`).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.errors import UserError
from idto3d.training.drift import identity_margin

STAGES = (
    "base",
    "geometry-style",
    "geometry-expression",
    "albedo-style",
    "albedo-expression",
)
KINDS = ("photo", "normal", "albedo")


@dataclass(frozen=True)
class Curves:
    """What one stage has logged."""

    samples: np.ndarray  # (N,) seen when a loss was logged
    loss: np.ndarray  # (N,) means since the line before
    held_samples: np.ndarray  # (M,) seen when held-out people were looked at
    held_error: dict[str, np.ndarray]  # kind -> (M,) error of the clean latents at t = 500
    margin: np.ndarray  # (M,) stranger's error minus own; not a number where it wasn't measured


def read_curves(log: Path) -> Curves:
    """The curves of a log.jsonl. Raises UserError when a line can't be read."""
    losses, held = [], []
    try:
        for line in log.read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            if "held_out" in values:
                held.append(values["held_out"])
            elif "loss" in values:
                losses.append((values["samples"], values["loss"]))
        kinds = [kind for kind in KINDS if held and kind in held[0]]
        return Curves(
            np.array([samples for samples, _ in losses], dtype=float),
            np.array([loss for _, loss in losses], dtype=float),
            np.array([record["samples"] for record in held], dtype=float),
            {kind: np.array([record[kind]["t500"] for record in held]) for kind in kinds},
            np.array([_margin(record, kinds) for record in held]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The training log {log} can't be read ({error}). Delete its bad line."
        ) from error


def _margin(record: dict[str, Any], kinds: Sequence[str]) -> float:
    errors = {kind: record[kind] for kind in kinds}
    known = any(name.endswith("_stranger") for own in errors.values() for name in own)
    return identity_margin(errors) if known else float("nan")


def smoothed(values: np.ndarray, window: int = 9) -> np.ndarray:
    """Running mean (N,) over `window` values, fewer at the ends."""
    kernel = np.ones(min(window, len(values)) or 1)
    weight = np.convolve(np.ones(len(values)), kernel, "same")
    return np.convolve(values, kernel, "same") / weight


def draw(prior: Path, picture: Path) -> None:
    """Write the curves of all stages in `prior`/training as PNG.

    Raises UserError when there is no log.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logs = {stage: prior / "training" / stage / "log.jsonl" for stage in STAGES}
    curves = {stage: read_curves(log) for stage, log in logs.items() if log.is_file()}
    if not curves:
        raise UserError(
            f"{prior} holds no training log. Name the --output folder of `idto3d train`."
        )
    figure, panels = pyplot.subplots(1, 3, figsize=(16, 4), layout="constrained")
    left, right, identity = panels
    for stage, curve in curves.items():
        left.plot(curve.samples, smoothed(curve.loss), label=stage)
        for kind, error in curve.held_error.items():
            right.plot(curve.held_samples, error, marker=".", label=f"{stage}: {kind}")
        identity.plot(curve.held_samples, curve.margin, marker=".", label=stage)
    left.set(title="Training loss", xlabel="samples of the stage", yscale="log")
    right.set(title="Held-out error of the clean latents, t = 500", xlabel="samples of the stage")
    identity.set(title="Held-out error for a stranger's identity, minus own", xlabel="samples")
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=90)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    draw(arguments.prior, arguments.picture)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 0: from a person's identity embedding to a template already shaped like the person.

A ridge regression on standardised embeddings, trained on synthetic people
(`training/shape.py`): identity coefficients of the template, skin tone, and the words that
captions use. It costs microseconds and gives the optimisation its start.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from idto3d.errors import UNREADABLE_NPZ, UserError

AGE_WORDS = ("young", "middle aged", "old")


@dataclass(frozen=True)
class FirstGuess:
    """What an embedding says about a person."""

    coefficients: torch.Tensor  # (I,) float32, the template's identity
    tone: tuple[float, float, float]  # sRGB skin colour
    gender: float  # 0 woman .. 1 man
    age: float  # 0 young .. 2 old

    def words(self) -> str:
        """'a young woman': the person in the words of the training captions."""
        return f"{self.age_word()} {self.gender_word()}"

    def age_word(self) -> str:
        return AGE_WORDS[int(np.clip(round(self.age), 0, 2))]

    def gender_word(self) -> str:
        return "man" if self.gender > 0.5 else "woman"


@dataclass(frozen=True)
class StageZero:
    """Standardisation (D,) twice, then weights (D+1, I+5): coefficients, tone, gender, age."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    spread: np.ndarray  # (I,) standard deviation of unseen people's coefficients from the guess

    def guess(self, embeddings: np.ndarray) -> FirstGuess:
        """embeddings (N,D) of one person's photos, averaged."""
        row = (embeddings.mean(axis=0) - self.mean) / self.scale
        values = np.append(row, 1.0) @ self.weights
        size = self.weights.shape[1] - 5
        red, green, blue = np.clip(values[size : size + 3], 0.05, 0.98)
        return FirstGuess(
            torch.from_numpy(values[:size].astype(np.float32)),
            (float(red), float(green), float(blue)),
            float(values[size + 3]),
            float(values[size + 4]),
        )


def load_stage_zero(path: Path) -> StageZero:
    """Read `stage_zero.npz`. Raises UserError when it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return StageZero(
                *(data[name].astype(np.float64) for name in ("mean", "scale", "weights", "spread"))
            )
    except UNREADABLE_NPZ as error:
        raise UserError(
            f"The first-shape file {path} can't be read ({error}). "
            "Restore it from the project's repository."
        ) from error

# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 0: an embedding's first guess in numbers and words, and the shipped file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.head.stage_zero import FirstGuess, StageZero, load_stage_zero
from idto3d.head.template import load_template

PATH = ASSETS / "template" / "stage_zero.npz"


def test_guess_is_the_affine_map_of_the_mean_embedding() -> None:
    random = np.random.default_rng(0)
    mean, scale = random.normal(size=6), random.uniform(0.5, 2, 6)
    weights = 0.1 * random.normal(size=(7, 3 + 5))
    weights[-1, 3:6] = 0.5
    embeddings = random.normal(size=(4, 6))
    guess = StageZero(mean, scale, weights, np.ones(3)).guess(embeddings)
    expected = ((embeddings.mean(0) - mean) / scale) @ weights[:-1] + weights[-1]
    assert guess.coefficients.dtype == torch.float32
    assert np.allclose(guess.coefficients, expected[:3], atol=1e-6)
    assert np.allclose(guess.tone, expected[3:6]) and all(0 < value < 1 for value in guess.tone)
    assert (guess.gender, guess.age) == pytest.approx(tuple(expected[6:]))


def test_tone_stays_a_skin_colour() -> None:
    weights = np.zeros((3, 6))
    weights[-1, 1:4] = (-0.4, 0.5, 7.0)
    guess = StageZero(np.zeros(2), np.ones(2), weights, np.ones(1)).guess(np.zeros((1, 2)))
    assert guess.tone == (0.05, 0.5, 0.98)


@pytest.mark.parametrize(
    ("gender", "age", "words"),
    [
        (0.1, -0.8, "young woman"),
        (0.9, 0.2, "young man"),
        (0.4, 1.1, "middle aged woman"),
        (1.2, 2.9, "old man"),
    ],
)
def test_words(gender: float, age: float, words: str) -> None:
    assert FirstGuess(torch.zeros(1), (0.5, 0.5, 0.5), gender, age).words() == words


def test_shipped_file_fits_the_template() -> None:
    stage_zero = load_stage_zero(PATH)
    template = load_template(ASSETS / "template" / "head.npz")
    average = stage_zero.guess(stage_zero.mean[None])
    assert average.coefficients.shape == (len(template.identity_basis),)
    # The average embedding belongs to an average head: no coefficient beyond one deviation.
    assert average.coefficients.abs().max() < 1.0
    assert stage_zero.spread.shape == average.coefficients.shape
    assert stage_zero.spread.min() > 0.3 and stage_zero.spread.max() < 1.1
    red, green, blue = average.tone
    assert red > green > blue > 0.15


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "stage_zero.npz"
    with pytest.raises(UserError, match="Restore it"):
        load_stage_zero(path)
    path.write_bytes(PATH.read_bytes()[:5000])
    with pytest.raises(UserError, match="Restore it"):
        load_stage_zero(path)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of stage 0 on made-up people whose shape is a known function of their embedding."""

from pathlib import Path

import numpy as np
import pytest

from idto3d.head.stage_zero import load_stage_zero
from idto3d.training.shape import PENALTIES, fit, fit_each, read_labels, train

PEOPLE, PICTURES, SIZE, COEFFICIENTS, HELD_OUT = 300, 3, 12, 4, 40


@pytest.fixture(scope="module")
def known() -> dict[str, np.ndarray]:
    """People with embeddings, and the affine map from those to coefficients, tone, two labels."""
    random = np.random.default_rng(5)
    person = random.normal(size=(PEOPLE, SIZE)) * random.uniform(0.02, 0.2, SIZE) + 0.1
    pictures = person[:, None] + 0.005 * random.normal(size=(PEOPLE, PICTURES, SIZE))
    matrix = random.normal(size=(SIZE, COEFFICIENTS + 5)) * 3
    matrix[:, COEFFICIENTS : COEFFICIENTS + 3] *= 0.08
    values = person @ matrix
    values[:, COEFFICIENTS : COEFFICIENTS + 3] += 0.5 - values[:, 4:7].mean(axis=0)
    return {"embedding": pictures, "values": values}


@pytest.fixture(scope="module")
def dataset(known: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `training.dataset` leaves of them; the labels are in the captions."""
    folder = tmp_path_factory.mktemp("dataset")
    values = known["values"]
    np.savez(
        folder / "identities.npz",
        known=np.ones(PEOPLE, dtype=bool),
        held_out=np.arange(PEOPLE) < HELD_OUT,
        embedding=known["embedding"].astype(np.float32),
        coefficients=values[:, :COEFFICIENTS].astype(np.float32),
        tone=values[:, COEFFICIENTS : COEFFICIENTS + 3].astype(np.float32),
    )
    gender = np.where(values[:, -2] > np.median(values[:, -2]), "man", "woman")
    thirds = np.searchsorted(np.quantile(values[:, -1], [1 / 3, 2 / 3]), values[:, -1])
    age = np.array(["young", "middle aged", "old"])[thirds]
    full = [f"a front view face portrait of a {a} {g}" for a, g in zip(age, gender, strict=True)]
    bare = ["a back view face portrait of a person with pale skin"] * PEOPLE
    np.savez(
        folder / "shard-00000.npz",
        person=np.tile(np.arange(PEOPLE), 2),
        caption=np.array(full + bare, dtype="<U200"),
    )
    return folder


def test_labels_come_from_the_captions(dataset: Path, known: dict[str, np.ndarray]) -> None:
    labels = read_labels(dataset, PEOPLE + 1)
    assert np.isnan(labels[PEOPLE]).all()  # nobody spoke of this one
    values = known["values"]
    assert np.array_equal(labels[:-1, 0] == 1, values[:, -2] > np.median(values[:, -2]))
    thirds = np.searchsorted(np.quantile(values[:, -1], [1 / 3, 2 / 3]), values[:, -1])
    assert np.array_equal(labels[:-1, 1], thirds)


def test_ridge_without_penalty_finds_the_map() -> None:
    random = np.random.default_rng(1)
    embeddings = random.normal(size=(50, 2, 5))
    embeddings[:, 1] = embeddings[:, 0]
    matrix, offset = random.normal(size=(5, 3)), random.normal(size=3)
    targets = embeddings[:, 0] @ matrix + offset
    mean, scale = embeddings.reshape(-1, 5).mean(0), embeddings.reshape(-1, 5).std(0)
    weights = fit(embeddings, targets, 0.0, mean, scale)
    assert np.allclose(weights[:-1] / scale[:, None], matrix)
    assert np.allclose(weights[-1], mean @ matrix + offset)
    shrunk = fit(embeddings, targets, 1e6, mean, scale)
    assert np.abs(shrunk[:-1]).max() < 0.01 * np.abs(weights[:-1]).max()
    assert np.allclose(shrunk[-1], targets.mean(axis=0), atol=1e-3)  # the offset isn't penalised


def test_each_target_has_its_own_penalty() -> None:
    """What the embedding tells is followed; noise is left at its mean."""
    random = np.random.default_rng(2)
    embeddings = random.normal(size=(200, 1, 8)).repeat(2, axis=1)
    told = embeddings[:, 0] @ random.normal(size=8) + 3.0
    noise = random.normal(size=200)
    mean, scale = np.zeros(8), np.ones(8)
    targets = np.stack([told, noise], axis=1)
    weights, penalties, spread = fit_each(embeddings, targets, mean, scale)
    assert spread[0] < 0.1 * told.std() and spread[1] == pytest.approx(noise.std(), rel=0.05)
    assert penalties[0] == min(PENALTIES) and penalties[1] >= 100
    assert np.abs(weights[:-1, 1]).max() < 0.1
    design = np.append(embeddings[:, 0], np.ones((200, 1)), axis=1)
    assert np.square(design @ weights[:, 0] - told).mean() < 0.01 * told.var()


def test_training_recovers_the_map(
    dataset: Path,
    known: dict[str, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained = train(dataset, tmp_path / "new" / "stage_zero.npz")
    assert "unseen people" in capsys.readouterr().out
    stage_zero = load_stage_zero(tmp_path / "new" / "stage_zero.npz")
    assert np.allclose(stage_zero.weights, trained.weights, atol=1e-5)
    assert np.allclose(stage_zero.spread, trained.spread, atol=1e-5)
    assert stage_zero.spread.shape == (COEFFICIENTS,)
    unseen = range(HELD_OUT)
    guesses = [stage_zero.guess(known["embedding"][person]) for person in unseen]
    truth = known["values"][:HELD_OUT]
    for found, expected in (
        (np.stack([guess.coefficients for guess in guesses]), truth[:, :COEFFICIENTS]),
        (np.stack([guess.tone for guess in guesses]), truth[:, COEFFICIENTS:-2]),
    ):
        left = np.square(found - expected).sum() / np.square(expected - expected.mean(0)).sum()
        assert left < 0.02
    men = truth[:, -2] > np.median(known["values"][:, -2])
    assert np.mean([guess.words().endswith(" man") for guess in guesses] == men) > 0.85

# SPDX-License-Identifier: GPL-3.0-or-later
"""Train stage 0: ridge regression from identity embeddings to shape, tone, gender and age."""

import argparse
import re
from pathlib import Path

import numpy as np

from idto3d.head.stage_zero import AGE_WORDS, StageZero

# The last one is so strong that a value nothing predicts stays at its mean.
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5, 1e7)
FOLDS = 5  # parts of the training people, each left out once to choose the penalties


def read_labels(folder: Path, people: int) -> np.ndarray:
    """(P,2) gender and age from the captions; NaN where no caption tells."""
    labels = np.full((people, 2), np.nan)
    for path in sorted(folder.glob("shard-*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            for person, caption in zip(shard["person"], shard["caption"], strict=True):
                gender = re.search(r" (man|woman)\b", str(caption))
                if gender:
                    labels[person, 0] = float(gender[1] == "man")
                for index, word in enumerate(AGE_WORDS):
                    if f" {word} " in str(caption):
                        labels[person, 1] = index
    return labels


def fit(
    embeddings: np.ndarray, targets: np.ndarray, penalty: float, mean: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Ridge weights (D+1, T) for embeddings (P,E,D): every picture and the mean are rows."""
    rows = np.concatenate([embeddings.reshape(-1, embeddings.shape[-1]), embeddings.mean(1)])
    repeat = np.concatenate([np.repeat(targets, embeddings.shape[1], axis=0), targets])
    design = np.concatenate([(rows - mean) / scale, np.ones((len(rows), 1))], axis=1)
    ridge = penalty * np.eye(design.shape[1])
    ridge[-1, -1] = 0.0
    return np.linalg.solve(design.T @ design + ridge, design.T @ repeat)


def fit_each(
    embeddings: np.ndarray, targets: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ridge weights (D+1, T) with a penalty of its own for each target, by cross-validation.

    Also returns the penalties (T,) and the standard deviation (T,) of what people left out are
    from their guess. People are left out whole, never single pictures.
    """
    part = np.arange(len(embeddings)) % FOLDS
    error = np.zeros((len(PENALTIES), targets.shape[1]))
    for fold in range(FOLDS):
        inner, outer = part != fold, part == fold
        centre = targets[inner].mean(axis=0)
        rows = (embeddings[outer].mean(1) - mean) / scale
        design = np.append(rows, np.ones((len(rows), 1)), axis=1)
        for index, penalty in enumerate(PENALTIES):
            weights = fit(embeddings[inner], targets[inner] - centre, penalty, mean, scale)
            error[index] += ((design @ weights + centre - targets[outer]) ** 2).sum(axis=0)
    chosen = np.array(PENALTIES)[error.argmin(axis=0)]
    centre = targets.mean(axis=0)
    weights = np.zeros((embeddings.shape[-1] + 1, targets.shape[1]))
    for penalty in np.unique(chosen):
        mine = chosen == penalty
        weights[:, mine] = fit(embeddings, targets[:, mine] - centre[mine], penalty, mean, scale)
    weights[-1] += centre
    return weights, chosen, np.sqrt(error.min(axis=0) / len(embeddings))


def train(folder: Path, output: Path) -> StageZero:
    """Fit on the people that may be trained on; report the share of variance explained."""
    with np.load(folder / "identities.npz", allow_pickle=False) as data:
        known, held_out = data["known"], data["held_out"]
        embedding, coefficients = data["embedding"].astype(np.float64), data["coefficients"]
        tone = data["tone"]
    labels = read_labels(folder, len(known))
    told = ~np.isnan(labels).any(axis=1)
    targets = np.concatenate([coefficients, tone, np.nan_to_num(labels)], axis=1).astype(np.float64)
    trained = known & ~held_out & told
    test = known & held_out & told
    mean = embedding[trained].reshape(-1, embedding.shape[-1]).mean(axis=0)
    scale = embedding[trained].reshape(-1, embedding.shape[-1]).std(axis=0) + 1e-6

    weights, chosen, spread = fit_each(embedding[trained], targets[trained], mean, scale)
    spread = spread[: coefficients.shape[1]]
    stage_zero = StageZero(mean, scale, weights, spread)
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        output,
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        weights=weights.astype(np.float32),
        spread=spread.astype(np.float32),
    )
    if test.any():
        size = coefficients.shape[1]
        design = np.append(
            (embedding[test].mean(1) - mean) / scale, np.ones((int(test.sum()), 1)), axis=1
        )
        guess = design @ weights
        centre = targets[trained].mean(axis=0)
        left = ((guess - targets[test]) ** 2).sum(axis=0)
        total = ((centre - targets[test]) ** 2).sum(axis=0)
        gender = (guess[:, size + 3] > 0.5) == (targets[test][:, size + 3] > 0.5)
        print(
            f"stage 0: {trained.sum()} people, median penalty {np.median(chosen):g}; "
            f"on {test.sum()} unseen people explained variance: "
            f"shape {1 - left[:size].sum() / total[:size].sum():.2f}, "
            f"tone {1 - left[size : size + 3].sum() / total[size : size + 3].sum():.2f}; "
            f"gender right {gender.mean():.2f}"
        )
    return stage_zero


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("assets/template/stage_zero.npz"))
    arguments = parser.parse_args()
    train(arguments.data, arguments.output)

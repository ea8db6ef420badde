# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity figures of a set of heads, from their kept embeddings: by pose and by expression.

Each set of embeddings is centred on its own mean before cosines are taken (see `identity`); by
pose, the heads of one pose are a set, since a pose too is something that all of them share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idto3d.evaluation.identity import ranks, similarities


@dataclass(frozen=True)
class Standing:
    """N heads among M people."""

    similarity: float  # mean centred cosine to the right person
    rank_one: float  # share of heads whose most similar person is the right one


@dataclass(frozen=True)
class Kept:
    """One expression beside the same heads' neutral faces."""

    standing: Standing
    share: float  # of the neutral's similarity that is kept; not a number where that is none


def standing(probes: np.ndarray, gallery: np.ndarray, right: np.ndarray) -> Standing:
    """probes (N,E,D) against people (M,P,D); right (N,) says who each head is."""
    similarity = similarities(probes, gallery)
    own = similarity[np.arange(len(right)), right]
    return Standing(float(own.mean()), float((ranks(similarity, right) == 1).mean()))


def by_pose(poses: np.ndarray, gallery: np.ndarray, right: np.ndarray) -> list[Standing]:
    """One for each of Y poses, of embeddings (N,Y,D)."""
    return [standing(poses[:, [row]], gallery, right) for row in range(poses.shape[1])]


def by_expression(
    posed: Sequence[np.ndarray], names: Sequence[Sequence[str]], gallery: np.ndarray,
    right: np.ndarray,
) -> dict[str, Kept]:  # fmt: skip
    """Each expression that at least two heads have, the neutral one first.

    posed: of each head (K,E,D) embeddings of its K expressions; names: theirs.
    Every expression is centred on the neutral faces' mean: a drift that all heads share in an
    expression is a loss of identity too.
    """
    neutral = np.stack([each[0] for each in posed])
    middle = neutral.mean(axis=(0, 1))
    found: dict[str, Kept] = {}
    for name in dict.fromkeys(name for each in names for name in each):
        rows = [row for row, each in enumerate(names) if name in each]
        if len(rows) < 2:
            continue
        probes = np.stack([posed[row][names[row].index(name)] for row in rows])
        here = _around(probes, middle, gallery, right[rows])
        base = _around(neutral[rows], middle, gallery, right[rows])
        share = here.similarity / base.similarity if base.similarity > 0 else float("nan")
        found[name] = Kept(here, share)
    return found


def _around(
    probes: np.ndarray, middle: np.ndarray, gallery: np.ndarray, right: np.ndarray
) -> Standing:
    """As `standing`, with the probes centred on `middle` (D,)."""
    rows = probes.mean(axis=1) - middle
    people = gallery.mean(axis=1) - gallery.mean(axis=(0, 1))
    similarity = _unit(rows) @ _unit(people).T
    own = similarity[np.arange(len(right)), right]
    return Standing(float(own.mean()), float((ranks(similarity, right) == 1).mean()))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

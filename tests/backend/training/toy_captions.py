# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people and what the captions of their pictures say."""

import numpy as np

from idto3d.training.looks import caption

WORDS = {"age": "old", "gender": "woman", "tone": "dark brown", "hair": "full dark brown hair",
         "beard": ""}  # fmt: skip
OTHER = {
    "age": "middle aged",
    "gender": "man",
    "tone": "pale",
    "hair": "no hair",
    "beard": "a beard",
}


def captions(words: dict, count: int = 14) -> list[str]:
    random = np.random.default_rng(0)
    return [caption("left side view", words, random.random(5) < 0.75) for _ in range(count)]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What captions say of people, and how often each kind of person should be drawn.

A caption drops single words at random; over a person's pictures all are named.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from idto3d.head.stage_zero import AGE_WORDS
from idto3d.training.looks import HAIR

SEXES = ("woman", "man")
UNNAMED = "not named"
ACCESSORIES = ("glasses", "earrings")
COLOURS = sorted(HAIR, key=len, reverse=True)  # dark brown before brown
# 'a front view face portrait of a young woman with pale skin and full brown hair'
CAPTION = re.compile(r"face portrait of an? (?P<person>.+?)(?: with (?P<traits>.+))?$")
# No kind of person is drawn more often than so many times as without balance: a few faces would be
# learned by heart.
MOST = 3.0
BALANCED = ("sex", "age", "skin")
ROUNDS = 20


def traits_of(captions: Iterable[str]) -> dict[str, str]:
    """One person's words: sex, age, skin, hair and its colour, beard, accessories; else UNNAMED."""
    found = dict.fromkeys(("sex", "age", "skin", "hair", "hair colour"), UNNAMED)
    found["beard"] = "none"
    worn: set[str] = set()
    for caption in captions:
        match = CAPTION.search(caption)
        if match is None:
            continue
        words = f" {match['person']} "
        for name, known in (("sex", SEXES), ("age", AGE_WORDS)):
            found[name] = next((word for word in known if f" {word} " in words), found[name])
        for trait in (match["traits"] or "").split(" and "):
            if trait.endswith(" skin"):
                found["skin"] = trait.removesuffix(" skin")
            elif "hair" in trait:
                colour = next((c for c in COLOURS if f" {c} " in f" {trait} "), UNNAMED)
                found["hair colour"] = "none" if trait == "no hair" else colour
                found["hair"] = trait.replace(f" {colour} ", " ")
            elif trait in ACCESSORIES:
                worn.add(trait)
            elif trait in ("a beard", "stubble"):
                found["beard"] = trait.removeprefix("a ")
    found["accessories"] = " and ".join(sorted(worn)) or "none"
    return found


def balanced_weights(person: Sequence[int] | np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """(M,) weights, mean about 1, with which sexes, ages and skin tones are drawn equally often.

    person (M,): whom each picture shows; people of whom no caption says anything keep weight 1.

    By iterative proportional fitting of the margins (Deming and Stephan 1940).
    """
    said: dict[int, list[str]] = {}
    for number, caption in zip(person, captions, strict=True):
        said.setdefault(int(number), []).append(str(caption))
    traits = {number: traits_of(lines) for number, lines in said.items()}
    kinds = [np.array([traits[int(number)][name] for number in person]) for name in BALANCED]
    weights = np.ones(len(captions))
    for _ in range(ROUNDS):
        for words in kinds:
            told = words != UNNAMED
            named = np.unique(words[told])
            for word in named:
                mine = words == word
                weights[mine] *= weights[told].sum() / len(named) / weights[mine].sum()
        for _ in range(ROUNDS):  # what is cut off here weighs on the mean
            weights = np.clip(weights / weights.mean(), 1 / MOST, MOST)
    return weights

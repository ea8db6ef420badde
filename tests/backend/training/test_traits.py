# SPDX-License-Identifier: GPL-3.0-or-later
"""What captions say of a person; rare kinds of people come up as often as common ones."""

import numpy as np
import pytest

from idto3d.training.traits import MOST, UNNAMED, balanced_weights, traits_of
from tests.backend.training.toy_captions import OTHER, WORDS, captions


def test_all_words_of_a_person_are_found() -> None:
    assert traits_of(captions(WORDS)) == {
        "sex": "woman", "age": "old", "skin": "dark brown", "hair": "full hair",
        "hair colour": "dark brown", "beard": "none", "accessories": "none",
    }  # fmt: skip
    bald = traits_of(captions(OTHER))
    assert (bald["sex"], bald["age"], bald["hair"]) == ("man", "middle aged", "no hair")
    assert (bald["hair colour"], bald["beard"]) == ("none", "beard")


def test_accessories_are_named_in_one_order() -> None:
    one = "a front view face portrait of a man with long red hair and glasses"
    both = "a front view face portrait of a man with earrings and glasses"
    assert traits_of([one, one])["accessories"] == "glasses"
    assert traits_of([one, both])["accessories"] == "earrings and glasses"
    assert traits_of([one])["hair"] == "long hair" and traits_of([one])["hair colour"] == "red"


def test_what_no_caption_says_is_not_guessed() -> None:
    found = traits_of(["a front view face portrait of a person", "nonsense"])
    assert found["sex"] == found["skin"] == found["hair"] == UNNAMED
    scan = traits_of(["a front view face portrait of a young Asian man with a bun of grey hair"])
    assert (scan["sex"], scan["age"], scan["hair colour"]) == ("man", "young", "grey")


def _crowd(people: list[tuple[str, str, str]], pictures: int = 3) -> tuple[np.ndarray, list[str]]:
    """Of each person several pictures; the first names all, the others drop words."""
    person, captions = [], []
    for number, (age, sex, tone) in enumerate(people):
        for picture in range(pictures):
            who = f"{age} {sex}" if picture == 0 else "person"
            skin = f" with {tone} skin" if picture < 2 else ""
            captions.append(f"a front view face portrait of a {who}{skin}")
            person.append(number)
    return np.array(person), captions


def _share(weights: np.ndarray, person: np.ndarray, people: list, word: str) -> float:
    mine = np.array([word in people[number] for number in person])
    return float(weights[mine].sum() / weights.sum())


def test_sexes_ages_and_tones_come_up_alike() -> None:
    random = np.random.default_rng(0)
    people = [
        (
            str(random.choice(["young", "middle aged", "old"], p=[0.25, 0.5, 0.25])),
            str(random.choice(["man", "woman"], p=[0.62, 0.38])),
            str(random.choice(["pale", "brown"], p=[0.35, 0.65])),
        )
        for _ in range(400)
    ]
    person, captions = _crowd(people)
    weights = balanced_weights(person, captions)
    assert weights.mean() == pytest.approx(1.0, abs=1e-3)
    for words in (("young", "middle aged", "old"), ("man", "woman"), ("pale", "brown")):
        for word in words:
            expected = 1 / len(words)
            assert _share(weights, person, people, word) == pytest.approx(expected, abs=0.01)
    # All pictures of a person count the same, whatever their own caption says.
    assert np.ptp(weights.reshape(-1, 3), axis=1).max() == 0


def test_nobody_is_drawn_much_more_often_than_without_balance() -> None:
    people = [("young", "man", "pale")] * 99 + [("young", "woman", "pale")]
    person, captions = _crowd(people)
    weights = balanced_weights(person, captions)
    assert weights.max() <= MOST
    assert weights[-1] > 2 * weights[0]


def test_people_of_whom_nothing_is_said_are_drawn_as_before() -> None:
    captions = [f"a front view face portrait of ball number {number}" for number in range(6)]
    assert np.allclose(balanced_weights(np.arange(6), captions), 1.0)

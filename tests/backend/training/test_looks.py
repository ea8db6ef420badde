# SPDX-License-Identifier: GPL-3.0-or-later
"""Random looks, and the words that must be true of them."""

import dataclasses

import numpy as np
import pytest

from idto3d.texture.paint import Look
from idto3d.training.looks import TONE_WORDS, TONES, caption, sample_look


def draw(count: int, gender: float, age: float) -> list[tuple[Look, dict]]:
    random = np.random.default_rng(3)
    return [sample_look(random, gender, age) for _ in range(count)]


def test_words_are_true() -> None:
    for look, words in draw(300, 0.9, 0.9) + draw(300, 0.1, 0.6):
        nearest = int(np.abs(TONES - look.skin).sum(axis=1).argmin())
        assert abs(nearest - TONE_WORDS.index(words["tone"])) <= 1
        assert (words["hair"] == "no hair") == (look.hair_amount == 0)
        assert words["hair"].startswith("cropped") == (0 < look.hair_amount < 1)
        assert (words["beard"] == "") == (look.beard == 0)
        if "black hair" in words["hair"]:
            assert max(look.hair) < 0.2
        if "blond hair" in words["hair"]:
            assert look.hair[0] > 0.5 > look.hair[2]


def test_values_are_colours_and_amounts() -> None:
    for look, _ in draw(300, 0.5, 0.7):
        for colour in (look.skin, look.hair, look.iris):
            assert len(colour) == 3 and all(0 <= value <= 1 for value in colour)
        for name in ("hair_amount", "brow_amount", "blush", "beard", "freckles", "spots"):
            assert 0 <= getattr(look, name) <= 1, name
        assert look.hair_thickness >= 0 and look.brow_width > 0


def test_gender_and_age_shape_the_odds() -> None:
    men, women = draw(400, 1.0, 0.6), draw(400, 0.0, 0.6)
    assert {words["gender"] for _, words in men} == {"man"}
    assert sum(look.beard > 0 for look, _ in men) > 80
    assert all(look.beard == 0 and look.hair_amount > 0 for look, _ in women)
    old = draw(400, 0.0, 0.95)
    assert {words["age"] for _, words in old} == {"old"}
    grey = [sum("grey" in words["hair"] for _, words in group) for group in (women, old)]
    assert grey[0] == 0 and grey[1] > 150


def test_seed_is_the_look() -> None:
    assert draw(5, 0.5, 0.7) == draw(5, 0.5, 0.7)
    looks = [dataclasses.astuple(look) for look, _ in draw(50, 0.5, 0.7)]
    assert len(set(looks)) == 50


WORDS = {"age": "old", "gender": "man", "tone": "pale", "hair": "no hair", "beard": "a beard"}


@pytest.mark.parametrize(
    ("keep", "person"),
    [
        ("11111", "old man with pale skin and no hair and a beard"),
        ("01000", "man"),
        ("00000", "person"),
        ("10010", "old person with no hair"),
    ],
)
def test_caption_drops_single_attributes(keep: str, person: str) -> None:
    kept = np.array([letter == "1" for letter in keep])
    expected = f"a back view face portrait of a {person}"
    assert caption("back view", WORDS, kept) == expected


def test_caption_without_a_beard() -> None:
    text = caption("front view", {**WORDS, "beard": ""}, np.ones(5, dtype=bool))
    assert text == "a front view face portrait of a old man with pale skin and no hair"

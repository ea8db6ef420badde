# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions under ARKit's names add up to what they were."""

import json
from array import array
from pathlib import Path

import pytest

from tests.addon.extension import load

arkit = load("addon.scene.arkit")
ASSETS = Path(__file__).resolve().parents[3] / "assets"
X = array("f", [-0.08, -0.03, -0.02, -0.004, 0.0, 0.004, 0.02, 0.03, 0.08])


def offsets(scale: float) -> array:
    return array("f", [scale * (1 + row + 10 * axis) for row in range(len(X)) for axis in range(3)])


@pytest.mark.parametrize("name", sorted(arkit.PARTS))
def test_parts_add_up_to_the_expression(name: str) -> None:
    whole = offsets(0.001)
    parts = arkit.arkit_expressions({name: whole}, X)
    assert list(parts) == [part for part, _, _ in arkit.PARTS[name]]
    for index, wanted in enumerate(whole):
        total = sum(parts[part][index] * value for part, _, value in arkit.PARTS[name])
        assert total == pytest.approx(wanted, rel=1e-5)


def test_values_are_those_of_the_vocabulary() -> None:
    """ARKit's value in our recipe is what gives our expression back."""
    text = (ASSETS / "expressions.json").read_text(encoding="utf-8")
    recipes = {item["name"]: item["arkit"] for item in json.loads(text)["expressions"]}
    for name, parts in arkit.PARTS.items():
        for part, _, value in parts:
            assert recipes[name][part] == value, (name, part)


def test_left_is_the_persons_left() -> None:
    parts = arkit.arkit_expressions({"smile": offsets(0.001)}, X)
    left, right = parts["mouthSmileLeft"][0::3], parts["mouthSmileRight"][0::3]
    assert left[0] == right[-1] == 0.0
    assert left[-1] > 0 and right[0] > 0
    assert left[4] == pytest.approx(right[4])


def test_brows_have_an_inner_and_two_outer_parts() -> None:
    parts = arkit.arkit_expressions({"brow_raise": offsets(0.001)}, X)
    moves = {name: [value != 0 for value in values[0::3]] for name, values in parts.items()}
    assert not moves["browInnerUp"][0] and moves["browInnerUp"][4] and not moves["browInnerUp"][-1]
    assert moves["browOuterUpLeft"] == [at > 0.015 for at in X]
    assert moves["browOuterUpRight"] == [at < -0.015 for at in X]


def test_mixed_expressions_stay() -> None:
    given = {"anger": offsets(0.002), "surprise": offsets(0.003)}
    assert arkit.arkit_expressions(given, X) == given

# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of made-up embeddings: who is recognised, what one head alone is told."""

import json

import numpy as np
import pytest

pytest.importorskip("anny")

from idto3d.evaluation.photo_scores import (  # noqa: E402
    ALONE,
    Judged,
    Sitting,
    compare,
    plot,
    table,
    to_json,
)
from idto3d.evaluation.probes import POSES  # noqa: E402

RANDOM = np.random.default_rng(0)
PEOPLE = RANDOM.normal(size=(4, 32))
SHARED = 9 * RANDOM.normal(size=32)  # what all renders have and no photograph


def embedded(who: list[int]) -> np.ndarray:
    """(N,len(POSES),32): like the person, but what shows that it is a render."""
    noise = 0.1 * RANDOM.normal(size=(len(who), len(POSES), 32))
    return PEOPLE[who][:, None] + noise + SHARED


def judged(who: list[int], right: list[int], people: int) -> dict[str, Judged]:
    photos, held_back = (PEOPLE[:people] + 0.1 * RANDOM.normal(size=(people, 32)) for _ in "ab")
    found = compare(embedded(who), photos, held_back, np.array(right), False)
    return {"judge": found}


def sittings(count: int) -> list[Sitting]:
    return [Sitting(f"P{n}", ("a.jpg", "c.jpg"), ("b.jpg",)) for n in range(count)]


def test_heads_are_recognised_among_all_people() -> None:
    """Three heads of four people; the last of them looks like the first."""
    found = judged([1, 3, 0], [1, 3, 2], 4)
    heads = found["judge"].heads
    assert heads.rank[:2].tolist() == [1, 1] and heads.rank[2] > 1
    assert heads.similarity[:2].min() > 0.5 > heads.similarity[2]
    assert found["judge"].photos.rank.tolist() == [1, 1, 1]
    assert len(found["judge"].poses) == len(POSES)
    text = table(sittings(3), found, 4)
    assert text.startswith("3 heads among 4 people, seen from 9 sides")
    assert "rank 1 for 2 of 3 by judge (nothing is made with it); their own photographs: 3" in text
    assert "plain cosines" not in text and "rank 1, judge" in text

    content = json.loads(to_json(sittings(3), found, 4, {"preset": "draft"}))
    assert content["centred"] and content["people"] == 4
    assert [head["identity"]["judge"]["rank"] for head in content["heads"]] == heads.rank.tolist()
    assert content["heads"][0]["made_from"] == ["a.jpg", "c.jpg"]
    assert content["identity"]["judge"]["rank_one"] == pytest.approx(2 / 3)
    assert len(content["identity"]["judge"]["poses"]) == len(content["poses"]) == len(POSES)


def test_one_head_alone_is_not_ranked() -> None:
    """Plain cosines, in which the renders' common part hides the person."""
    found = judged([0], [0], 1)
    assert 0 < found["judge"].heads.similarity[0] < 0.6
    assert found["judge"].photos.similarity[0] > 0.9
    text = table(sittings(1), found, 1)
    assert text.startswith("1 head among 1 person,") and "plain cosines" in text
    assert "rank" not in text.replace(ALONE, "")
    content = json.loads(to_json(sittings(1), found, 1, {}))
    assert not content["centred"]
    assert content["heads"][0]["identity"]["judge"]["rank"] is None
    assert content["identity"]["judge"]["poses"][0]["rank_one"] is None


def test_plot() -> None:
    pytest.importorskip("matplotlib")
    assert len(plot(judged([0, 1], [0, 1], 2), several=True).axes) == 2
    assert len(plot(judged([0], [0], 1), several=False).axes) == 1

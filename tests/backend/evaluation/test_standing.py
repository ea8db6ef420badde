# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity figures of made-up embeddings."""

import numpy as np
import pytest

from idto3d.evaluation.standing import by_expression, by_pose, standing

RANDOM = np.random.default_rng(0)
PEOPLE = RANDOM.normal(size=(6, 1, 32))
GALLERY = PEOPLE + 0.1 * RANDOM.normal(size=(6, 4, 32))
EVERYONE = np.arange(6)


def test_the_right_people_and_the_wrong() -> None:
    found = standing(PEOPLE, GALLERY, EVERYONE)
    assert found.rank_one == 1 and found.similarity > 0.9
    assert standing(PEOPLE, GALLERY, np.roll(EVERYONE, 1)).rank_one == 0
    assert standing(PEOPLE, GALLERY, np.array([0, 1, 2, 3, 5, 4])).rank_one == pytest.approx(4 / 6)


def test_what_a_pose_does_to_everybody_is_no_loss() -> None:
    front = PEOPLE[:, 0]
    lost = RANDOM.normal(size=front.shape)
    poses = np.stack([front, front + 9 * RANDOM.normal(size=32), lost], axis=1)
    found = by_pose(poses, GALLERY, EVERYONE)
    assert [each.rank_one for each in found[:2]] == [1, 1]
    assert found[1].similarity == pytest.approx(found[0].similarity)
    assert found[2].rank_one < 0.7


def test_an_expression_that_makes_all_alike_loses_identity() -> None:
    names = ("neutral", "smile", "blink")
    drift = 3 * RANDOM.normal(size=32)
    posed = [
        np.stack([person, 0.95 * person, drift + 0.1 * person]).repeat(3, axis=0).reshape(3, 3, 32)
        for person in PEOPLE[:, 0]
    ]
    found = by_expression(posed, [names] * 6, GALLERY, EVERYONE)
    assert list(found) == list(names)
    assert found["neutral"].share == 1
    assert found["smile"].share > 0.95 > 0.5 > found["blink"].share
    assert found["smile"].standing.rank_one == 1


def test_expressions_of_some_heads_only() -> None:
    posed = [np.stack([p, p])[:, None] if i < 3 else p[None, None] for i, p in
             enumerate(PEOPLE[:, 0])]  # fmt: skip
    names = [("neutral", "smile") if i < 3 else ("neutral",) for i in range(6)]
    found = by_expression(posed, names, GALLERY, EVERYONE)
    assert found["smile"].share == pytest.approx(1)
    names[1:3] = [("neutral", "blink"), ("neutral", "grin")]
    assert list(by_expression(posed, names, GALLERY, EVERYONE)) == ["neutral"]

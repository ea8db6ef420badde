# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the shape regression on made-up people whose moves are a known function of what
their photographs tell."""

import numpy as np
import pytest

from idto3d.head.evidence import Evidence
from idto3d.identity.landmarks import MIRROR
from idto3d.training.shape_examples import FLIP, Example, Layout
from idto3d.training.shape_regression import SCALE, errors, learn, report, rows

POINTS, CENTRES = 6, 4
# The first and the second half are each other's images.
PLACES = Layout(
    np.arange(POINTS), np.arange(CENTRES), np.roll(np.arange(POINTS), POINTS // 2),
    np.roll(np.arange(CENTRES), CENTRES // 2), np.ones(CENTRES),
)  # fmt: skip


def people(count: int, seed: int, noise: float = 0.0) -> list[Example]:
    """Heads whose centres follow the nearest point's turn and the chin's landmark, as their mirror
    images do."""
    random, found = np.random.default_rng(seed), []
    of_landmarks, of_normals, beside, of_face = (1.0 / scale for scale in SCALE)
    places = np.random.default_rng(9).normal(size=(CENTRES, 3))
    for _ in range(count):
        evidence = Evidence(
            of_landmarks * random.normal(size=(68, 3)),
            of_normals * random.normal(size=(POINTS, 3)),
            beside * random.normal(size=(68, 3)),
            of_face * random.normal(size=5),
        )
        turned = evidence.turned[[0, 1, 3, 4]] / of_normals
        moves = 0.01 * turned + 0.005 * evidence.beside[8] / beside + np.array([0.0, 0.01, 0.0])
        found.append(Example(evidence, moves + noise * random.normal(size=moves.shape), places))
    return found


def test_a_linear_law_is_learned() -> None:
    network = learn(rows(people(600, 0), PLACES), PLACES, penalty=1e-4, rank=12)
    unseen = people(50, 1)
    left = np.stack([network.moves(e.evidence.row()) - e.moves for e in unseen])
    # What lies beyond UNUSUAL is not believed, so a little stays.
    assert np.median(np.abs(left)) < 5e-4
    assert np.sqrt((left**2).mean()) < 0.2 * np.std([e.moves for e in unseen])


def test_few_directions_keep_most() -> None:
    known, unseen = rows(people(600, 0), PLACES), people(50, 1)
    whole = errors(learn(known, PLACES, 1e-4, rank=12), unseen)[:, 1].mean()
    half = errors(learn(known, PLACES, 1e-4, rank=6), unseen)
    assert whole < half[:, 1].mean() < half[:, 0].mean()


def test_noise_is_told_from_the_law() -> None:
    """A penalty keeps few and noisy people from being learned by heart."""
    noisy, unseen = rows(people(60, 3, noise=0.02), PLACES), people(50, 1)
    by_heart = errors(learn(noisy, PLACES, 1e-6), unseen)[:, 1].mean()
    assert errors(learn(noisy, PLACES, 1.0), unseen)[:, 1].mean() < by_heart


def test_what_no_one_has_shown_moves_no_farther() -> None:
    network = learn(rows(people(600, 0), PLACES), PLACES, penalty=1e-4, rank=12)
    strange = people(1, 4)[0].evidence.row()
    assert np.allclose(network.moves(1e6 * strange), network.moves(1e7 * strange))
    assert np.abs(network.moves(1e7 * strange)).max() < 0.1


def test_mirror_images_are_people_too() -> None:
    both = rows(people(10, 2), PLACES)
    assert len(both.evidence) == len(both.moves) == 20
    left = both.evidence[:10, :204].reshape(10, 68, 3)
    right = both.evidence[10:, :204].reshape(10, 68, 3)
    assert np.allclose(left[:, list(MIRROR)] * FLIP, right)
    left, right = (moves.reshape(10, CENTRES, 3) for moves in (both.moves[:10], both.moves[10:]))
    assert np.allclose(right[:, PLACES.mirrored_centres] * FLIP, left)


def test_a_point_that_no_photo_shows_tells_nothing() -> None:
    known = people(100, 0)
    for each in known:
        each.evidence.turned[2] = 0.0
        each.evidence.turned[5] = 0.0
    network = learn(rows(known, PLACES), PLACES, rank=12)
    row = known[0].evidence.row()
    seen = row.copy()
    seen[204 + 6 : 204 + 9] = 1.0
    assert np.allclose(network.moves(seen), network.moves(row), atol=1e-6)


def test_errors_of_a_head_that_is_only_too_large() -> None:
    random = np.random.default_rng(5)
    network = learn(rows(people(50, 0), PLACES), PLACES, 1e3, rank=2)
    nothing = Evidence(np.zeros((68, 3)), np.zeros((POINTS, 3)), np.zeros((68, 3)), np.zeros(5))
    places = random.normal(size=(CENTRES, 3))
    before, _, sized, _ = errors(network, [Example(nothing, 0.1 * places, places)])[0]
    assert before > 1.0
    assert sized == pytest.approx(0.0, abs=1e-6)


def test_the_report_is_of_people_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    known = people(200, 0)
    report([known[row : row + 2] for row in range(0, 200, 2)], PLACES)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "5 of 100 people left out, by all photos",
        "5 of 100 people left out, by a few",
    ]

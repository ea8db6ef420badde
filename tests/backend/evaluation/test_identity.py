# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks are of people, not of renderers; the recogniser tells toy heads apart."""

import numpy as np
import pytest
import torch

pytest.importorskip("anny")

from idto3d.evaluation import identity  # noqa: E402
from idto3d.evaluation.judges import Dlib  # noqa: E402
from idto3d.evaluation.portraits import even_light, lights, take, true_head  # noqa: E402
from idto3d.evaluation.probes import from_random_sides  # noqa: E402
from idto3d.render.cameras import orbit  # noqa: E402
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402


def test_ranks() -> None:
    similarity = np.array([[0.9, 0.1, 0.3], [0.8, 0.5, 0.1], [0.4, 0.3, 0.3]])
    assert identity.ranks(similarity, np.array([0, 1, 2])).tolist() == [1, 2, 3]
    # Somebody of whom nothing is known is nobody's likeness.
    assert identity.ranks(np.zeros((1, 4)), np.array([2])).tolist() == [4]


def test_what_all_pictures_share_does_not_count() -> None:
    random = np.random.default_rng(0)
    people = random.normal(size=(5, 1, 16))
    gallery = people + 0.1 * random.normal(size=(5, 3, 16))
    probes = people + 0.1 * random.normal(size=(5, 4, 16))
    plain = identity.similarities(probes, gallery)
    shifted = identity.similarities(probes + 7.0 * random.normal(size=16), gallery - 3.0)
    np.testing.assert_allclose(plain, shifted, atol=1e-9)
    assert identity.ranks(plain, np.arange(5)).tolist() == [1] * 5
    subset = identity.similarities(probes[[3, 1]], gallery)
    assert subset.shape == (2, 5)


def test_portraits_of_one_head_are_recognised_under_other_lights() -> None:
    people, environments = ToyPeople(), lights()
    heads = [true_head(people.person(5, index)) for index in range(3)]

    def embed(first: int) -> np.ndarray:
        return np.stack(
            [
                from_random_sides(
                    head, environments, np.random.default_rng(first + index), [Dlib()]
                )["dlib"]
                for index, head in enumerate(heads)
            ]
        )

    probes, gallery = embed(0), embed(10)
    assert probes.shape == (3, identity.PICTURES, 128)
    assert np.abs(probes - gallery).max() > 0.01
    similarity = identity.similarities(probes, gallery)
    assert identity.ranks(similarity, np.arange(3)).tolist() == [1, 1, 1]


def test_a_portrait_shows_the_head_from_where_the_camera_is() -> None:
    head = true_head(ToyPeople().person(5, 0))
    front, side, back = take(
        head, orbit(torch.tensor([0.0, 90.0, 180.0]), 0.0), [even_light()] * 3, 96, (0.0, 1.0, 0.0)
    ).astype(int)
    assert front[0, 0].tolist() == [0, 255, 0]
    # Skin is in the middle of the face, dark hair in the middle of the back of the head.
    assert front[52, 48].sum() > back[40, 48].sum() + 60
    # Seen from the person's left, the nose points to the left of the picture.
    columns = np.flatnonzero((side[56] != [0, 255, 0]).any(axis=1))
    assert 48 - columns.min() > 0.8 * (columns.max() - 48)

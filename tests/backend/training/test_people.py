# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic people: the same for a seed, near to the template, painted where they should be."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, SKIN
from idto3d.head.template import Template
from tests.backend.head.shapes import assert_closed
from tests.backend.training.conftest import WITHOUT_ANNY

if TYPE_CHECKING:
    from idto3d.training.people import People, Person

pytest.importorskip("anny", reason=WITHOUT_ANNY)


@pytest.fixture(scope="module")
def person(people: "People") -> "Person":
    return people.person(2, 0)


def test_index_is_the_person(people: "People", person: "Person") -> None:
    again, other = people.person(2, 0), people.person(2, 1)
    assert np.array_equal(again.neutral, person.neutral) and again.words == person.words
    assert np.array_equal(again.paint.albedo, person.paint.albedo)
    assert not np.allclose(other.bare, person.bare, atol=1e-3)
    assert not np.array_equal(people.person(3, 0).bare, person.bare)


def test_arrays_fit_together(people: "People", person: "Person") -> None:
    count = len(person.bare)
    assert_closed(torch.from_numpy(person.faces))
    assert person.faces.max() == count - 1
    for values in (person.part, person.occlusion, person.paint.roughness, person.paint.hair):
        assert values.shape == (count,)
    assert person.paint.albedo.shape == (count, 3)
    assert person.landmarks.shape == (68,)
    assert person.family == "anny"
    assert set(person.words) == {"age", "gender", "tone", "hair", "beard"}


def test_coefficients_describe_the_head(people: "People", template: Template) -> None:
    """The template's nearest head is within a millimetre, far nearer than the mean head."""
    for index in range(3):
        person = people.person(2, index)
        shape = torch.from_numpy(person.coefficients)
        nearest = people.fine.neutral(shape).numpy()
        away = np.linalg.norm(person.bare - nearest, axis=1).mean() * 360
        from_mean = np.linalg.norm(person.bare - people.fine.mean.numpy(), axis=1).mean() * 360
        assert away < 0.7 and away < 0.3 * from_mean
        assert np.abs(person.coefficients).max() < 5


def test_hair_is_the_only_difference_to_the_bare_head(person: "Person") -> None:
    moved = np.linalg.norm(person.neutral - person.bare, axis=1)
    assert np.allclose(moved, person.paint.offset, atol=1e-4)
    face = person.landmarks[17:68]
    assert moved[face].max() < 1e-3
    assert moved[person.part != SKIN].max() == 0


def test_landmarks_lie_on_the_face(person: "Person") -> None:
    marks = person.bare[person.landmarks]
    assert (marks[42:48, 0] > 0).all() and (marks[36:42, 0] < 0).all()
    assert marks[36:48, 1].min() > marks[31:36, 1].max() > marks[48:60, 1].max() > marks[8, 1]
    for code, outline in ((LEFT_EYE, marks[42:48]), (RIGHT_EYE, marks[36:42])):
        ball = person.bare[person.part == code]
        assert np.linalg.norm(ball.mean(axis=0)[:2] - outline.mean(axis=0)[:2]) < 0.03


def test_expressions(person: "Person") -> None:
    assert np.abs(person.displacement({})).max() == 0
    opened = person.displacement({"jawOpen": 1.0})
    chin, brow = person.landmarks[8], person.landmarks[19]
    assert opened[chin, 1] < -0.03 and np.abs(opened[brow]).max() < 1e-3
    half = person.displacement({"jawOpen": 0.5})
    assert half[chin, 1] == pytest.approx(0.5 * opened[chin, 1], rel=0.2)


def test_finer_people_for_large_photos(people: "People", template: Template) -> None:
    from idto3d.training.people import People

    fine = People(template, None, levels=2).person(2, 0)
    plain = people.person(2, 0)
    assert len(fine.faces) == 4 * len(plain.faces) and fine.words == plain.words
    assert_closed(torch.from_numpy(fine.faces))
    # The first vertices are the coarser mesh's own, smoothed once more.
    same = len(plain.bare)
    smoothed = np.linalg.norm(fine.bare[:same] - plain.bare, axis=1) * 360
    assert smoothed.mean() < 0.2 and smoothed.max() < 2.0  # millimetres; most at the neck's rim
    assert np.array_equal(fine.part[:same], plain.part)
    assert fine.occlusion.shape == fine.part.shape

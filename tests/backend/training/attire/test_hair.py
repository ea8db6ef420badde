# SPDX-License-Identifier: GPL-3.0-or-later
"""Hanging hair leaves the face free and covers the nape; a tail or bun is at the back."""

import numpy as np
import pytest

from idto3d.head.regions import LEFT_EYE, face_centimetre
from idto3d.head.template import Template
from idto3d.training.attire.hair import hanging, tied
from tests.backend.training.attire.test_accessories import placed
from tests.backend.training.attire.test_surfaces import volume

BROWN = np.array([0.3, 0.2, 0.1])


@pytest.fixture(scope="module")
def skin(template: Template) -> np.ndarray:
    return template.mean.numpy()[template.part.numpy() < LEFT_EYE]


@pytest.mark.parametrize("seed", range(3))
def test_hanging(template: Template, skin: np.ndarray, seed: int) -> None:
    marks = template.mean.numpy()[template.landmarks]
    cm = face_centimetre(marks)
    worn = hanging(skin, marks, BROWN, np.random.default_rng(seed))
    hair = placed(worn)
    assert volume(hair, worn.faces) > 0
    before = (hair[:, 2] > marks[36, 2]) & (np.abs(hair[:, 0]) < 5 * cm)
    assert not before.any()
    # Wider than the head at the ears, on both sides, and behind it.
    level = np.abs(hair[:, 1] - marks[36, 1]) < cm
    widest = np.abs(skin[np.abs(skin[:, 1] - marks[36, 1]) < cm, 0]).max()
    assert hair[level, 0].max() > widest and hair[level, 0].min() < -widest
    assert hair[level, 2].min() < skin[:, 2].min()
    assert hair[:, 1].min() < marks[8, 1] + 5 * cm
    assert worn.hair.min() == 1 and worn.albedo.min() >= 0 and worn.albedo.max() <= 1


@pytest.mark.parametrize("seed", range(6))
def test_tied(template: Template, skin: np.ndarray, seed: int) -> None:
    marks = template.mean.numpy()[template.landmarks]
    cm = face_centimetre(marks)
    worn = tied(skin, marks, BROWN, np.random.default_rng(seed))
    hair = placed(worn)
    assert volume(hair, worn.faces) > 0
    assert hair[:, 2].max() < 0 and np.abs(hair[:, 0]).max() < 5 * cm
    # It begins in the head and ends outside it.
    assert hair[:, 2].max() > skin[:, 2].min() and hair[:, 2].min() < skin[:, 2].min() - cm

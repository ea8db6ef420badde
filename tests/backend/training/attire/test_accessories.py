# SPDX-License-Identifier: GPL-3.0-or-later
"""Glasses sit before the eyes and reach to the ears; earrings hang at both lobes."""

import numpy as np
import pytest

from idto3d.head.regions import LEFT_EYE, ear_centre, face_centimetre
from idto3d.head.template import Template
from idto3d.training.attire.accessories import FRAMES, METALS, earrings, glasses
from idto3d.training.attire.surfaces import Worn
from tests.backend.training.attire.test_surfaces import assert_watertight

SEEDS = range(4)


@pytest.fixture(scope="module")
def head(template: Template) -> np.ndarray:
    return template.mean.numpy()


def placed(worn: Worn) -> np.ndarray:
    return worn.place(np.zeros((1, 1, 3), dtype=np.float32))[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_glasses(template: Template, head: np.ndarray, seed: int) -> None:
    marks = head[template.landmarks]
    cm = face_centimetre(marks)
    skin = head[template.part.numpy() < LEFT_EYE]
    worn = glasses(skin, marks, np.random.default_rng(seed))
    frame = placed(worn)
    assert_watertight(frame, worn.faces)
    assert np.allclose(frame[:, 0].min(), -frame[:, 0].max(), atol=0.1 * cm)
    rims = frame[frame[:, 2] > frame[:, 2].max() - 1.0 * cm]
    eyeballs = head[template.part.numpy() >= LEFT_EYE]
    assert rims[:, 2].min() > eyeballs[:, 2].max()
    assert rims[:, 2].max() < eyeballs[:, 2].max() + 3.5 * cm
    for outline in (marks[36:42], marks[42:48]):
        inside = np.abs(rims[:, :2] - outline[:, :2].mean(axis=0)).min(axis=0)
        # Around each eye, not across it.
        near = np.linalg.norm(rims[:, :2] - outline[:, :2].mean(axis=0), axis=1)
        assert near.min() > 1.0 * cm and inside.max() < 0.6 * cm
    assert frame[:, 2].min() == pytest.approx(ear_centre(marks)[1], abs=1.5 * cm)
    assert any(np.allclose(worn.albedo[0], colour) for colour in FRAMES)


@pytest.mark.parametrize("seed", SEEDS)
def test_earrings(template: Template, head: np.ndarray, seed: int) -> None:
    marks = head[template.landmarks]
    cm = face_centimetre(marks)
    worn = earrings(head, marks, np.random.default_rng(seed))
    rings = placed(worn)
    assert_watertight(rings, worn.faces)
    left, right = rings[rings[:, 0] > 0], rings[rings[:, 0] < 0]
    assert len(left) == len(right)
    for side in (left, right):
        assert np.abs(side[:, 0]).min() > 0.75 * np.abs(head[:, 0]).max()
        assert abs(side[:, 2].mean() - ear_centre(marks)[1]) < 2.6 * cm
        assert side[:, 1].max() < ear_centre(marks)[0]
    assert any(np.allclose(worn.albedo[0], colour) for colour in METALS)

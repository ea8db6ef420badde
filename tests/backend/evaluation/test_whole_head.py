# SPDX-License-Identifier: GPL-3.0-or-later
"""The distance between whole heads: known answers on the template's own head."""

import numpy as np
import pytest

from idto3d.evaluation.geometry import MILLIMETRES
from idto3d.evaluation.whole_head import TrueHead
from idto3d.head.rigid_motion import RigidMotion
from tests.backend.evaluation.test_geometry import FACES, LANDMARKS, MEAN, NORMALS

STILL = RigidMotion(np.eye(3), np.zeros(3))


@pytest.fixture(scope="module")
def truth() -> TrueHead:
    return TrueHead(MEAN, FACES, LANDMARKS)


def test_the_same_head_is_no_distance_away(truth: TrueHead) -> None:
    assert truth.distance(MEAN, FACES, STILL).mean < 0.01


def test_a_thicker_head_is_as_far_as_it_is_thick(truth: TrueHead) -> None:
    thick = (MEAN + NORMALS * 2.0 / MILLIMETRES).astype(np.float32)
    found = truth.distance(thick, FACES, STILL)
    assert found.median == pytest.approx(2.0, rel=0.05)
    assert found.mean == pytest.approx(2.0, rel=0.12)


def test_the_back_of_the_head_counts_and_the_neck_does_not(truth: TrueHead) -> None:
    back = MEAN[:, 2] < MEAN[LANDMARKS[0], 2] - 0.05
    longer = MEAN.copy()
    longer[back, 2] -= 0.04
    assert truth.distance(longer, FACES, STILL).mean > 1.0
    neck = MEAN[:, 1] < MEAN[LANDMARKS[8], 1] - 0.03
    longer = MEAN.copy()
    longer[neck, 1] -= 0.05
    assert truth.distance(longer, FACES, STILL).mean < 0.15


def test_it_is_measured_where_the_motion_brings_it(truth: TrueHead) -> None:
    shift = np.array([0.0, 0.0, 3.0 / MILLIMETRES])
    away = RigidMotion(np.eye(3), shift)
    assert truth.distance(MEAN, FACES, away).mean > 0.5
    assert truth.distance((MEAN - shift).astype(np.float32), FACES, away).mean < 0.01

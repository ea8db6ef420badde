# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrinkles bend normals where old faces have folds, and nowhere else."""

import numpy as np
import pytest

from idto3d.head.regions import face_centimetre
from idto3d.head.template import Template
from idto3d.training.attire.wrinkles import Relief, relief


@pytest.fixture(scope="module")
def marks(template: Template) -> np.ndarray:
    return template.mean.numpy()[template.landmarks]


def bent(marks: np.ndarray, amount: float, places: np.ndarray) -> np.ndarray:
    """How far normals that look ahead are turned at places (N,2), radians."""
    ahead = np.tile([0.0, 0.0, 1.0], (len(places), 1))
    positions = np.column_stack([places, np.full(len(places), 0.2)])
    normals = Relief(marks, amount, seed=3).bend(ahead, positions)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)
    return np.arccos(np.clip(normals[:, 2], -1, 1))


def spread(centre: np.ndarray, width: float) -> np.ndarray:
    side = np.linspace(-width, width, 40)
    return centre + np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def test_folds_are_where_faces_have_them(marks: np.ndarray) -> None:
    cm = face_centimetre(marks)
    forehead = spread(marks[[19, 24], :2].mean(axis=0) + [0, 2.5 * cm], cm)
    beside = spread(0.5 * (marks[35, :2] + marks[54, :2]) + [0.9 * cm, 0], 0.6 * cm)
    chin = spread(marks[8, :2] + [0, 1.5 * cm], 0.5 * cm)
    for place in (forehead, beside):
        assert bent(marks, 1.0, place).max() > 0.25
        assert bent(marks, 1.0, place).max() > 2 * bent(marks, 0.0, place).max()
    assert np.allclose(bent(marks, 1.0, chin), bent(marks, 0.0, chin), atol=0.05)


def test_pores_are_everywhere_and_small(marks: np.ndarray) -> None:
    turned = bent(marks, 0.0, spread(marks[33, :2], 2 * face_centimetre(marks)))
    assert 0.005 < turned.mean() < 0.1 and turned.max() < 0.3


def test_slopes_are_the_reliefs_derivatives(marks: np.ndarray) -> None:
    cm = face_centimetre(marks)
    places = spread(marks[[19, 24], :2].mean(axis=0) + [0, 2.0 * cm], 0.8 * cm)
    step = 1e-3 * cm
    expected = [
        (relief(places + step * axis, marks, 1.0, 3) - relief(places - step * axis, marks, 1.0, 3))
        / (2 * step)
        for axis in np.eye(2)
    ]
    angle = np.arctan(np.hypot(*expected))
    # Pores are as fine as the grid; folds aren't.
    assert np.corrcoef(angle, bent(marks, 1.0, places))[0, 1] > 0.9


def test_the_back_of_the_head_stays_smooth(marks: np.ndarray) -> None:
    normals = np.tile([0.0, 0.0, -1.0], (50, 1))
    positions = np.column_stack([spread(np.zeros(2), 0.1)[:50], np.full(50, -0.2)])
    assert np.allclose(Relief(marks, 1.0, 3).bend(normals, positions), normals)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions that lay points on points."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from idto3d.head.rigid_motion import kabsch


def test_kabsch_finds_the_motion() -> None:
    points = np.random.default_rng(0).normal(size=(40, 3))
    rotation = Rotation.from_rotvec([0.5, -1.1, 2.0]).as_matrix()
    motion = kabsch(points, points @ rotation.T + [1.0, 2.0, -3.0])
    np.testing.assert_allclose(motion.rotation, rotation, atol=1e-12)
    np.testing.assert_allclose(motion.shift, [1.0, 2.0, -3.0], atol=1e-12)
    np.testing.assert_allclose(motion.undo(motion.apply(points)), points, atol=1e-12)


def test_kabsch_never_mirrors() -> None:
    points = np.random.default_rng(1).normal(size=(40, 3))
    motion = kabsch(points, points * [-1.0, 1.0, 1.0])
    assert np.linalg.det(motion.rotation) == pytest.approx(1.0)

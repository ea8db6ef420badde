# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour differences: equal to scikit-image's, blind to exposure where they should be."""

import numpy as np
import pytest

from idto3d.evaluation import albedo
from idto3d.evaluation.geometry import Surface, TrueFace
from idto3d.head.rigid_motion import RigidMotion
from tests.backend.evaluation.test_geometry import FACES, LANDMARKS, MEAN, SKIN

ONES = np.ones(50)


def random_colours(seed: int, high: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, high, (50, 3))


def test_equal_to_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.color")
    a, b = random_colours(0), random_colours(1)
    expected = skimage.deltaE_cie76(skimage.rgb2lab(a), skimage.rgb2lab(b)).mean()
    assert albedo.compare(a, b, ONES).plain == pytest.approx(expected, rel=1e-3)


def test_exposure_is_forgiven_in_the_second_number_alone() -> None:
    wanted = random_colours(2)
    linear = 0.4 * albedo.to_linear(wanted)
    darker = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found = albedo.compare(wanted, darker, ONES)
    assert found.plain > 10 and found.scaled < 0.01
    hue = albedo.compare(wanted, wanted[:, ::-1], ONES)
    assert hue.scaled > 10


def test_large_areas_count_more() -> None:
    wanted = np.zeros((2, 3))
    found = np.array([[0.0, 0, 0], [1, 1, 1]])
    assert albedo.compare(wanted, found, np.array([3.0, 1.0])).plain == pytest.approx(25, abs=0.1)


def test_a_turned_head_keeps_its_colours() -> None:
    truth, surface = TrueFace(MEAN, FACES, SKIN, LANDMARKS), Surface(MEAN, FACES)
    colours = 0.5 + 0.4 * np.sin(40 * MEAN)
    turn = RigidMotion(np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]), np.array([0.1, 0.2, 0.3]))
    elsewhere = Surface(turn.undo(MEAN), FACES)

    def error(painted: np.ndarray) -> float:
        def at(points: np.ndarray, areas: np.ndarray) -> np.ndarray:
            return elsewhere.sample(points, painted)

        return albedo.albedo_error(truth, surface, colours, at, turn).plain

    assert error(colours) < 0.05 and error(colours[:, ::-1]) > 10

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept comes back, and only for what it was measured of."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from idto3d.evaluation import observation
from idto3d.evaluation.albedo import AlbedoError
from idto3d.evaluation.baked_light import BakedLight
from idto3d.evaluation.expression import Recognised
from idto3d.evaluation.geometry import FaceDistance
from idto3d.evaluation.observation import Observation, Surfaces, Truth

FACE = FaceDistance(1.5, 1.0, 2.0, 1.0)
SEEN = Observation(
    ("neutral", "smile"),
    {"dlib": np.eye(2)},
    {"dlib": np.ones((9, 2))},
    {"dlib": np.zeros((2, 3, 2)), "facenet": np.ones((2, 3, 5))},
    (Recognised("smile", "smile", "grin", 0.9),),
    BakedLight(0.1, -0.05),
    Surfaces(FACE, FACE, FACE),
    Surfaces(FACE, FACE, FACE),
    Surfaces(FACE, FaceDistance(1.2, 0.9, 1.4, 1.0), FaceDistance(4.0, 3.0, 4.0, 4.0)),
    AlbedoError(8.0, 7.0),
    None,
)


def same(a: Observation | Truth, b: Observation | Truth | None) -> bool:
    assert b is not None
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, dict):
            assert value.keys() == other.keys()
            for judge in value:
                np.testing.assert_array_equal(value[judge], other[judge])
        elif value != other:
            return False
    return True


def test_an_observation_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "measured.npz"
    observation.keep(path, SEEN, "head 1")
    assert same(SEEN, observation.kept_observation(path, "head 1"))
    assert observation.kept_observation(path, "head 2") is None
    unknown = replace(SEEN, generated=None, albedo=None)
    observation.keep(path, unknown, "head 1")
    assert same(unknown, observation.kept_observation(path, "head 1"))


def test_a_truth_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "truth.npz"
    for light in (BakedLight(0.2, 0.1), None):
        known = Truth({"dlib": np.eye(3)}, {"dlib": np.eye(2)}, {"dlib": np.ones(4)}, light)
        observation.keep(path, known, "who")
        assert same(known, observation.kept_truth(path, "who"))


def test_damaged_and_missing_files_are_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "measured.npz"
    assert observation.kept_observation(path, "head 1") is None
    observation.keep(path, SEEN, "head 1")
    path.write_bytes(path.read_bytes()[:300])
    assert observation.kept_observation(path, "head 1") is None

# SPDX-License-Identifier: GPL-3.0-or-later
"""The recogniser of nobody's making tells people apart, and its absence is no error."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d.assets import ASSETS
from idto3d.evaluation import facenet, judges
from idto3d.identity.detect import find_faces

POINTS = np.array([[80.0, 60], [66, 61], [30, 60], [44, 61], [55, 88]])


def test_prewhitened_has_no_brightness_and_no_contrast() -> None:
    chip = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    white = facenet.prewhitened(chip)
    assert abs(white.mean()) < 1e-5 and white.std() == pytest.approx(1)
    assert np.isfinite(facenet.prewhitened(np.full((8, 8, 3), 7, np.uint8))).all()


def test_a_chip_shows_the_points_where_the_template_has_them() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    for x, y in POINTS.astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    chip = facenet.FaceNet.align(None, image, POINTS)  # type: ignore[arg-type]
    assert chip.shape == (160, 160, 3)
    for x, y in facenet.TEMPLATE:
        row, column = round(y), round(x)
        assert chip[row - 6 : row + 7, column - 6 : column + 7].max() > 100


def test_without_the_package_dlib_alone_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [(judge.name, judge.optimised_with) for judge in judges.judges()] == [("dlib", True)]
    assert "dlib alone" in judges.MISSING


def photo(name: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.asarray(Image.open(ASSETS / "example" / name).convert("RGB"))
    return pixels, find_faces(pixels)[1][0].landmarks


@pytest.mark.skipif(facenet.weights() is None, reason="the extra 'evaluate' is not installed")
def test_facenet_knows_a_face_again() -> None:
    judge = judges.judges()[1]
    assert judge.name == "facenet" and not judge.optimised_with
    first, second = photo("photo-1.jpg"), photo("photo-2.jpg")
    same = [judges.embed_pictures(judge, p[None], m[None])[0] for p, m in (first, second)]
    noise = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3)).astype(np.uint8)
    other = judges.embed_pictures(judge, noise, POINTS[None])[0]
    assert all(np.linalg.norm(vector) == pytest.approx(1, abs=1e-4) for vector in same)
    assert same[0] @ same[1] > 0.5 > same[0] @ other
    # Each picture has its own answer, however many are asked for at once.
    both = judges.embed_pictures(judge, np.stack([first[0]] * 2), np.stack([first[1]] * 2))
    np.testing.assert_allclose(both, np.stack([same[0]] * 2), atol=1e-5)


def test_weights_lie_in_the_package() -> None:
    path = facenet.weights()
    assert path is None or Path(path).name == "graph_final.pb"

# SPDX-License-Identifier: GPL-3.0-or-later
"""The training set, built for one person and read as training reads it."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.render.cameras import orbit, transform
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.training.shards import IMAGE_KINDS, open_dataset, read_shard
from tests.backend.training.conftest import WITHOUT_ANNY

if TYPE_CHECKING:
    from idto3d.training.people import People

pytest.importorskip("anny", reason=WITHOUT_ANNY)
from idto3d.training import dataset  # noqa: E402  after the check that anny is there
from idto3d.training.dataset import DatasetSettings, build, screen_points  # noqa: E402

VOCABULARY = ASSETS / "expressions.json"
SETTINGS = DatasetSettings(image_size=32, views=2, embeddings=2, embedding_size=160, held_out=1)
KEYS = (*IMAGE_KINDS, "person", "expression", "caption", "yaw", "pitch", "close_up", "landmarks")


@pytest.fixture(scope="module")
def folder(people: "People", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Person 0, two views."""
    folder = tmp_path_factory.mktemp("dataset") / "new"
    build(folder, people, 0, 1, SETTINGS, VOCABULARY)
    return folder


def test_training_can_read_it(folder: Path) -> None:
    opened = open_dataset(folder)
    assert opened.image_size == 32 and opened.expressions[0] == "neutral"
    (shard,) = opened.shards()
    arrays = read_shard(shard, KEYS)
    for kind in IMAGE_KINDS:
        assert arrays[kind].shape == (2, 32, 32, 3) and arrays[kind].dtype == np.uint8
        assert arrays[kind].std() > 10, kind
    assert arrays["person"].tolist() == [0, 0] and arrays["person"].dtype == np.int32
    assert (arrays["expression"] < len(opened.expressions)).all()
    for words, close_up in zip(arrays["caption"], arrays["close_up"], strict=True):
        assert " face portrait of a " in words and words.startswith("a close up ") == close_up
    # The hint is another head in the same pose: alike, and not the same.
    difference = np.abs(arrays["hint"].astype(float) - arrays["normal"]).mean()
    assert 0.5 < difference < 40


def test_identities(folder: Path, people: "People") -> None:
    identities = open_dataset(folder).identities()
    assert identities.embedding.shape == (1, 2, 128)
    assert identities.held_out.tolist() == [True] and identities.known.tolist() == [True]
    one, two = identities.embedding[0]
    assert 0 < np.linalg.norm(one - two) < 0.6  # dlib's limit for one person
    with np.load(folder / "identities.npz", allow_pickle=False) as data:
        person = people.person(SETTINGS.seed, 0)
        assert np.allclose(data["coefficients"][0], person.coefficients, atol=1e-5)
        skin = person.paint.albedo[person.landmarks[[28, 29, 30]]].mean(axis=0)
        assert np.abs(data["tone"][0] - skin).max() < 0.15


def test_finished_shards_are_kept_and_others_join(
    folder: Path, people: "People", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second builder adds person 40; a reader never sees a file that is being written."""
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}
    build(folder, people, 0, 1, SETTINGS, VOCABULARY)
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")} == before

    visible = []
    replace = os.replace

    def look_then_replace(source: Path, target: Path) -> None:
        visible.extend(path.name for path in folder.glob("*.npz"))
        replace(source, target)

    monkeypatch.setattr(dataset.os, "replace", look_then_replace)
    build(folder, people, 40, 1, SETTINGS, VOCABULARY)
    finished = {"shard-00000.npz", "people-00000.npz", "identities.npz"}
    assert set(visible) == {*finished, "shard-00040.npz", "people-00040.npz"}
    description = json.loads((folder / "dataset.json").read_text())
    assert description["people"] == 41 and description["count"] == 4
    identities = open_dataset(folder).identities()
    assert np.flatnonzero(identities.known).tolist() == [0, 40]
    assert len(identities.trained()) == 1  # person 0 is held out
    assert not [path for path in folder.iterdir() if "tmp" in path.name]


def test_screen_points_hit_their_pixels() -> None:
    """A coloured triangle's corner is drawn where `screen_points` says."""
    camera = orbit(torch.tensor([20.0]), 5.0)
    corners = torch.tensor([[-0.3, -0.2, 0.1], [0.3, -0.2, 0.1], [0.0, 0.3, 0.1]])
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasterize(transform(corners, camera), faces, 200, 200)
    weights = interpolate(torch.eye(3), fragments, faces)[0]
    points = screen_points(corners[None], camera, 200)[0]
    for corner, (x, y) in enumerate(points):
        row, column = divmod(int(weights[..., corner].argmax()), 200)
        assert abs(column - x) < 2.5 and abs(row - y) < 2.5

# SPDX-License-Identifier: GPL-3.0-or-later
"""The trained shape regression: smooth moves, its file, and what the shipped one does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.head.evidence import gather
from idto3d.head.shape_regression import (
    RARE,
    UNUSUAL,
    ShapeRegression,
    load_shape_regression,
    save_shape_regression,
    smooth_field,
)
from idto3d.head.template import Template, load_template
from idto3d.identity.landmarks import Landmarks
from idto3d.settings import HEAD_METRES
from tests.backend.head.seen import images, photos

SHIPPED = ASSETS / "template" / "shape_regression.npz"


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


def small() -> ShapeRegression:
    random = np.random.default_rng(0)
    return ShapeRegression(
        np.arange(4), np.arange(5), random.normal(size=9),
        random.uniform(0.5, 1.5, 9), random.normal(size=(9, 3)), random.normal(size=(3, 15)),
        random.normal(size=15),
    )  # fmt: skip


def test_a_smooth_field_goes_through_its_centres() -> None:
    random = np.random.default_rng(1)
    centres = random.uniform(-0.3, 0.3, (30, 3))
    moves = 0.01 * random.normal(size=(30, 3))
    # Neighbours that disagree are smoothed a little.
    assert np.abs(smooth_field(centres, centres, moves) - moves).max() < 1e-3
    beside = smooth_field(centres + 1e-3, centres, moves)
    assert np.abs(beside - moves).max() < 2e-3


def test_a_shift_of_all_centres_shifts_what_lies_between() -> None:
    side = np.linspace(-0.2, 0.2, 5)
    centres = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    places = np.random.default_rng(2).uniform(-0.2, 0.2, (50, 3))
    found = smooth_field(places, centres, np.tile([0.01, 0.0, -0.02], (len(centres), 1)))
    assert np.allclose(found, [0.01, 0.0, -0.02], rtol=0.03)


def test_moves_are_affine_in_usual_evidence() -> None:
    network = small()
    assert np.allclose(network.moves(network.mean), network.usual.reshape(5, 3))
    more = network.moves(network.mean + 0.1 * network.spread) - network.moves(network.mean)
    assert np.allclose(more.ravel(), 0.1 * np.ones(9) @ network.narrow @ network.widen)
    rows = np.random.default_rng(1).normal(size=(7, 9))
    assert np.allclose(network.moves(rows)[3], network.moves(rows[3]))


def test_unusual_evidence_is_not_followed() -> None:
    network = small()
    far = network.mean + UNUSUAL * network.spread
    assert np.allclose(network.moves(far), network.moves(far + 5.0))
    widest = RARE * np.abs(network.widen).sum(axis=0) + np.abs(network.usual)
    assert (np.abs(network.moves(far).ravel()) <= widest + 1e-9).all()


def test_the_neck_s_base_stays(template: Template) -> None:
    """And the head moves as the network says."""
    network = load_shape_regression(SHIPPED)
    zero = torch.zeros(len(template.identity_basis))
    shots = photos()
    corners = template.mean[template.landmarks].double().numpy()
    marks = [Landmarks(shot.pose.project(corners)[:, :2], np.full(68, 2.0)) for shot in shots]
    seen = images(template, template.mean.double().numpy(), shots)
    offset = network.offset(template, zero, network.mean[-128:], shots, marks, seen).numpy()
    height = template.mean[:, 1].numpy()
    assert np.abs(offset[height < height.min() + 1e-4]).max() < 1e-6
    found = gather(template, zero, network.points, network.mean[-128:], shots, marks, seen)
    moves = network.moves(found.row())
    assert np.abs(offset[network.centres] - moves).max() < 0.1 * np.abs(moves).max()


def test_file_round_trip(tmp_path: Path) -> None:
    network = small()
    save_shape_regression(network, tmp_path / "network.npz")
    again = load_shape_regression(tmp_path / "network.npz")
    row = np.random.default_rng(3).normal(size=9)
    assert np.array_equal(again.centres, network.centres)
    assert np.allclose(again.moves(row), network.moves(row), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("content", [None, b"PK\x03\x04 cut off", b"no archive"])
def test_a_damaged_or_missing_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "network.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"network\.npz can't be read"):
        load_shape_regression(path)


def test_the_shipped_network_brings_a_head_closer(template: Template) -> None:
    """A head that is one twentieth wider than the fitted one, seen without error."""
    network = load_shape_regression(SHIPPED)
    mean = template.mean.double().numpy()
    zero = torch.zeros(len(template.identity_basis))
    shots = photos()
    moves = []
    for factor in (1.0, 1.05):
        truth = mean * np.array([factor, 1.0, 1.0])
        marks = [
            Landmarks(shot.pose.project(truth[template.landmarks])[:, :2], np.full(68, 2.0))
            for shot in shots
        ]
        found = gather(
            template, zero, network.points, network.mean[-128:], shots, marks,
            images(template, truth, shots),
        )  # fmt: skip
        moves.append(network.moves(found.row()))
    centres = mean[network.centres]
    cheeks = (centres[:, 2] > 0.05) & (np.abs(centres[:, 0]) > 0.1)
    wider = (moves[1] - moves[0])[cheeks, 0] * np.sign(centres[cheeks, 0])
    assert wider.mean() > 0.3 * (0.05 * np.abs(centres[cheeks, 0])).mean()
    assert np.abs(moves[0]).max() < 0.02 / HEAD_METRES


def test_the_shipped_network_knows_no_left_and_right(template: Template) -> None:
    network = load_shape_regression(SHIPPED)
    mean = template.mean.double().numpy()
    flip = np.array([-1.0, 1.0, 1.0])
    for chosen in (network.points, network.centres):
        places = mean[chosen]
        gaps = np.linalg.norm(places[:, None] - (places * flip)[None], axis=-1).min(axis=1)
        assert gaps.max() < 1e-3
    usual = network.usual.reshape(-1, 3)
    image = np.linalg.norm(
        mean[network.centres][:, None] - (mean[network.centres] * flip)[None], axis=-1
    ).argmin(axis=1)
    assert np.allclose(usual[image] * flip, usual, atol=1e-5)

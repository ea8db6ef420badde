# SPDX-License-Identifier: GPL-3.0-or-later
"""What photographs say against a head whose true shape is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.evidence import Evidence, gather, shown
from idto3d.head.fit import PhotoFit
from idto3d.head.relief import face_weight
from idto3d.head.template import Template, load_template
from idto3d.identity.landmarks import Landmarks
from idto3d.render.normals import vertex_normals
from tests.backend.head.seen import images, photos

SHIFT = np.array([0.010, -0.006, 0.008])  # units, of all landmarks


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="module")
def points(template: Template) -> np.ndarray:
    """Vertices of the ridge of the nose and the cheeks, which all photos show."""
    marks = template.mean[template.landmarks].numpy()
    normals = vertex_normals(template.mean, template.faces).numpy()
    near = np.linalg.norm(template.mean.numpy() - marks[28], axis=1) < 0.1
    above = template.mean[:, 1].numpy() > marks[30, 1] + 0.01
    face = face_weight(template, template.mean.double().numpy()) > 0.5
    return np.flatnonzero(near & above & face & (normals[:, 2] > 0.5))


@pytest.fixture(scope="module")
def turned(template: Template) -> np.ndarray:
    """(V,3): the head with its nose bent to the left."""
    positions = template.mean.double().numpy()
    tip = positions[template.landmarks[28]]
    bend = np.exp(-((positions - tip) ** 2).sum(axis=1) / 0.06**2)
    return positions + bend[:, None] * np.array([0.01, 0.0, 0.0])


def marks_of(template: Template, shots: list[PhotoFit], shift: np.ndarray) -> list[Landmarks]:
    corners = template.mean[template.landmarks].double().numpy() + shift
    return [Landmarks(shot.pose.project(corners)[:, :2], np.full(68, 2.0)) for shot in shots]


def evidence(
    template: Template,
    points: np.ndarray,
    truth: np.ndarray,
    shots: list[PhotoFit],
    shift: np.ndarray | None = None,
) -> Evidence:
    zero = torch.zeros(len(template.identity_basis))
    marks = marks_of(template, shots, np.zeros(3) if shift is None else shift)
    seen = images(template, truth, photos())
    return gather(template, zero, points, np.arange(5.0), shots, marks, seen)


def test_the_right_head_leaves_nothing_to_say(template: Template, points: np.ndarray) -> None:
    found = evidence(template, points, template.mean.double().numpy(), photos())
    assert np.abs(found.turned).mean() < 0.06  # normals of 64 pixels
    assert np.abs(found.beside).max() < 1e-9
    assert not found.landmarks.any()
    assert len(found.row()) == 204 + 3 * len(points) + 204 + 5


def test_normals_tell_how_the_surface_is_turned(
    template: Template, points: np.ndarray, turned: np.ndarray
) -> None:
    found = evidence(template, points, turned, photos()).turned
    before, after = (
        vertex_normals(torch.from_numpy(positions).float(), template.faces).numpy()[points]
        for positions in (template.mean.numpy(), turned)
    )
    expected = after - before
    strong = np.linalg.norm(expected, axis=1) > 0.05
    assert strong.sum() > 10
    along = (found * expected)[strong].sum(axis=1) / (expected[strong] ** 2).sum(axis=1)
    assert 0.6 < np.median(along) < 1.1


def test_landmarks_are_found_in_three_dimensions(template: Template, points: np.ndarray) -> None:
    found = evidence(template, points, template.mean.double().numpy(), photos(), SHIFT).beside
    middle = found.mean(axis=0)
    assert np.abs(middle[:2] - SHIFT[:2]).max() < 0.3 * np.abs(SHIFT).max()
    # Depth is seen from the sides alone, and drawn to none.
    assert 0.2 * SHIFT[2] < middle[2] < SHIFT[2]


def test_one_photo_tells_no_depth(template: Template, points: np.ndarray) -> None:
    front = photos()[1]
    zero = torch.zeros(len(template.identity_basis))
    marks = marks_of(template, [front], SHIFT * np.array([1.0, 1.0, 0.0]))
    seen = images(template, template.mean.double().numpy(), [front])
    found = gather(template, zero, points, np.zeros(1), [front], marks, seen).beside
    assert np.abs(found[:, 2]).max() < 1e-9
    assert (found[:, 0] > 0.5 * SHIFT[0]).all()


def test_photos_that_were_not_understood_say_nothing_of_the_surface(
    template: Template, points: np.ndarray, turned: np.ndarray
) -> None:
    unclear = [replace(shot, understood=False) for shot in photos()]
    assert not evidence(template, points, turned, unclear).turned.any()


def test_what_is_turned_away_is_not_shown(template: Template) -> None:
    positions = template.mean.double().numpy()
    shot = photos()[1]
    every = np.arange(len(positions))
    seen = images(template, positions, [shot])[0]
    found = shown(template, shot.pose, positions, seen, every)
    assert not found.weight[positions[:, 2] < -0.15].any()
    nose = template.landmarks[30]
    assert found.weight[nose] > 0
    assert np.allclose(np.linalg.norm(found.fitted, axis=1), 1.0, atol=1e-4)

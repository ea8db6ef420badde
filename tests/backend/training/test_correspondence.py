# SPDX-License-Identifier: GPL-3.0-or-later
"""The template laid on a head of other triangles whose true correspondence is known."""

import numpy as np
import pytest

from idto3d.assets import ASSETS
from idto3d.head.relief import face_weight
from idto3d.head.template import Template, load_template
from idto3d.settings import HEAD_METRES
from idto3d.training.correspondence import Correspondence, correspondence


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="module")
def other(template: Template) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A finer head, somewhat longer, with a bigger nose: vertices, faces of its skin, landmarks."""
    fine = template.subdivided()
    positions = fine.mean.double().numpy()
    tip = positions[template.landmarks[30]]
    bump = np.exp(-((positions - tip) ** 2).sum(axis=1) / 0.08**2)[:, None]
    positions = positions * np.array([1.0, 1.03, 1.0]) + bump * np.array([0.0, 0.0, 0.012])
    skin = (fine.part.numpy() == 0)[fine.faces.numpy()].all(axis=1)
    return positions, fine.faces.numpy()[skin], template.landmarks.numpy()


@pytest.fixture(scope="module")
def laid(template: Template, other: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Correspondence:
    return correspondence(template, template.mean.double().numpy(), *other)


def test_the_face_arrives_where_it_belongs(
    template: Template, other: tuple[np.ndarray, np.ndarray, np.ndarray], laid: Correspondence
) -> None:
    """Vertices of the coarse mesh are the first ones of the fine mesh."""
    start = template.mean.double().numpy()
    face = face_weight(template, start) > 0.5
    assert laid.valid[face].mean() > 0.8
    assert not laid.valid[start[:, 1] < -0.42].any()
    true = other[0][: len(start)]
    before = np.linalg.norm(start - true, axis=1)[laid.valid & face]
    after = np.linalg.norm(laid.carried(other[0]) - true, axis=1)[laid.valid & face]
    assert np.median(after) * HEAD_METRES < 0.001
    assert np.median(after) < 0.4 * np.median(before)


def test_it_follows_the_other_head(
    other: tuple[np.ndarray, np.ndarray, np.ndarray], laid: Correspondence
) -> None:
    moved = other[0] * 1.1 + np.array([0.1, 0.0, 0.0])
    expected = laid.carried(other[0]) * 1.1 + np.array([0.1, 0.0, 0.0])
    assert np.allclose(laid.carried(moved), expected)

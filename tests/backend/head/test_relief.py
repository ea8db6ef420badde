# SPDX-License-Identifier: GPL-3.0-or-later
"""The face drawn to normals that a known face casts into known photos."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.relief import cotangent_laplacian, face_weight, relief, with_relief
from idto3d.head.template import Template, load_template
from idto3d.render.normals import vertex_normals
from idto3d.settings import HEAD_METRES
from tests.backend.head.seen import images, photos

BUMP = 0.004 / HEAD_METRES  # units


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="module")
def bump(template: Template) -> np.ndarray:
    """(V,3): cheeks four millimetres fuller, which no basis knows."""
    positions = template.mean.double().numpy()
    marks = positions[template.landmarks.numpy()]
    height = np.zeros(len(positions))
    for eye in (36, 45):
        cheek = np.array([marks[eye, 0], marks[33, 1], 0.5 * (marks[33, 2] + marks[4, 2])])
        height += np.exp(-((positions - cheek) ** 2).sum(axis=1) / 0.1**2)
    normals = vertex_normals(template.mean, template.faces).double().numpy()
    return BUMP * height[:, None] * normals * (template.part.numpy() == 0)[:, None]


def missing(offset: np.ndarray, bump: np.ndarray, template: Template) -> float:
    """Share of the bump that is not there, along the normals where it is high."""
    normals = vertex_normals(template.mean, template.faces).double().numpy()
    high = np.linalg.norm(bump, axis=1) > 0.3 * BUMP
    left = ((offset - bump)[high] * normals[high]).sum(axis=1)
    # The photos tell shape, not how far away the whole face is.
    return float(np.abs(left - np.median(left)).mean() / np.linalg.norm(bump[high], axis=1).mean())


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_normals_bring_the_cheeks_back(template: Template, bump: np.ndarray, error: float) -> None:
    neutral = template.mean.double().numpy()
    seen = images(template, neutral + bump, photos(), error)
    offset = relief(template, neutral, photos(), seen)
    assert missing(offset, bump, template) < (0.35 if error == 0 else 0.5)
    assert missing(np.zeros_like(bump), bump, template) > 0.2
    # What no photo can tell stays: behind the ears.
    behind = face_weight(template, neutral) == 0
    back = behind & (neutral[:, 2] < -0.1)
    assert np.abs(offset[back]).max() < 0.1 * BUMP


def test_the_right_normals_change_nothing(template: Template) -> None:
    neutral = template.mean.double().numpy()
    offset = relief(template, neutral, photos(), images(template, neutral, photos()))
    assert np.abs(offset).max() < 0.4 * BUMP
    assert np.abs(offset).mean() < 0.03 * BUMP


def test_photos_that_were_not_understood_do_not_count(template: Template, bump: np.ndarray) -> None:
    neutral = template.mean.double().numpy()
    unclear = [replace(photo, understood=False) for photo in photos()]
    seen = images(template, neutral + bump, photos())
    assert not relief(template, neutral, unclear, seen).any()


def test_normals_beside_the_head_do_not_count(template: Template, bump: np.ndarray) -> None:
    """A hand before the face: the network says that it is no head."""
    neutral = template.mean.double().numpy()
    seen = [
        [replace(image, on_head=np.zeros_like(image.on_head)) for image in squares]
        for squares in images(template, neutral + bump, photos())
    ]
    assert not relief(template, neutral, photos(), seen).any()


def test_the_template_becomes_the_person_s(template: Template, bump: np.ndarray) -> None:
    neutral = template.mean.double().numpy()
    seen = images(template, neutral + bump, photos())
    zero = torch.zeros(len(template.identity_basis))
    own = with_relief(template, zero, photos(), seen)
    assert torch.equal(own.faces, template.faces)
    moved = (own.neutral(zero) - template.neutral(zero)).double().numpy()
    assert np.allclose(moved, relief(template, neutral, photos(), seen), atol=1e-6)
    # Expressions are displacements, so they come with it.
    smile = {"mouthSmileLeft": 1.0}
    assert torch.equal(own.expression(smile), template.expression(smile))


def test_laplacian_of_a_plane() -> None:
    side = np.arange(6.0)
    x, y = (grid.ravel() for grid in np.meshgrid(side, side))
    positions = np.stack([x, y, np.zeros(36)], axis=1)
    corner = (np.arange(5)[:, None] * 6 + np.arange(5)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 7], 1),
            np.stack([corner, corner + 7, corner + 6], 1),
        ]
    )
    laplacian, area = cotangent_laplacian(faces, positions)
    assert area.sum() == pytest.approx(25)
    assert np.abs(laplacian @ np.ones(36)).max() < 1e-12
    assert np.abs((laplacian - laplacian.T).toarray()).max() < 1e-12
    assert np.linalg.eigvalsh(laplacian.toarray()).min() > -1e-9
    # The squared distance has the Laplacian 4 wherever the neighbours surround the vertex.
    inner = (x > 0) & (x < 5) & (y > 0) & (y < 5)
    flat = -(laplacian @ (x**2 + y**2)) / area
    assert np.allclose(flat[inner], 4.0, rtol=0.15)

# SPDX-License-Identifier: GPL-3.0-or-later
"""anny's head: the template's topology, eyeballs, neck, expressions."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from idto3d.head.template import Template, load_template
from tests.backend.head.shapes import assert_closed, enclosed_volume
from tests.backend.training.conftest import WITHOUT_ANNY

if TYPE_CHECKING:
    from idto3d.training.people import People

pytest.importorskip("anny", reason=WITHOUT_ANNY)
from idto3d.training.anny_head import (  # noqa: E402  after the check that anny is there
    NECK_BASE,
    AnnyHead,
    base_name,
    middle_person,
    sample_person,
)
from idto3d.training.build_template import IDENTITY_SIZE, build_template  # noqa: E402


@pytest.fixture(scope="module")
def head(people: "People") -> AnnyHead:
    return people.anny


def test_template_is_made_from_it(head: AnnyHead, template: Template) -> None:
    assert np.array_equal(head.faces, template.faces.numpy())
    assert np.array_equal(head.part, template.part.numpy())
    assert tuple(head.actions) == template.expression_names
    middle = head.positions([middle_person()])[0]
    assert np.linalg.norm(middle - template.mean.numpy(), axis=1).mean() * 360 < 6  # millimetres
    for action in ("jawOpen", "eyeBlinkLeft", "mouthPucker"):
        moved = head.positions([middle_person()], {action: 1.0})[0] - middle
        basis = template.expression_basis[template.expression_names.index(action)]
        assert np.allclose(moved, basis, atol=2e-4), action


def test_closed_for_everybody(head: AnnyHead) -> None:
    random = np.random.default_rng(0)
    crowd = [sample_person(random, head.local_names) for _ in range(8)]
    shapes = head.positions(crowd)
    assert shapes.shape == (8, len(head.part), 3) and shapes.dtype == np.float32
    assert np.abs(shapes).max() < 0.5
    faces = torch.from_numpy(head.faces)
    assert_closed(faces)
    for shape in shapes:
        assert 3 < enclosed_volume(torch.from_numpy(shape), faces) * 0.36**3 * 1000 < 8
        assert shape[:, 1].min() == pytest.approx(NECK_BASE, abs=1e-5)
    # One by one is the same as together.
    assert np.allclose(head.positions(crowd[3:4])[0], shapes[3], atol=1e-5)


def test_eyeballs_are_spheres(head: AnnyHead) -> None:
    person = sample_person(np.random.default_rng(5), head.local_names)
    shape = head.positions([person])[0]
    centres = []
    for code in (2, 3):
        ball = shape[head.part == code]
        centre = 0.5 * (ball.min(axis=0) + ball.max(axis=0))
        radius = np.linalg.norm(ball - centre, axis=1)
        assert radius.std() < 0.02 * radius.mean()
        assert 9 < radius.mean() * 360 < 18  # millimetres
        centres.append(centre)
    assert np.allclose(centres[0], centres[1] * [-1, 1, 1], atol=1e-4)
    assert centres[0][0] > 0  # the left eye is at +X


def test_sides_change_together(head: AnnyHead) -> None:
    """Faces are nearly symmetric: one-sided changes are drawn for both sides at once."""
    assert base_name("l-ear-scale") == base_name("r-ear-scale") == "ear-scale"
    assert base_name("nose-width") == "nose-width"
    person = sample_person(np.random.default_rng(7), head.local_names)
    skin = head.positions([person])[0][head.part == 0]
    mirrored = skin * [-1, 1, 1]
    step = max(1, len(skin) // 200)
    gaps = np.linalg.norm(mirrored[::step, None] - skin[None], axis=2).min(axis=1)
    assert np.quantile(gaps, 0.95) < 0.01


def test_people_differ_within_reason(head: AnnyHead, template: Template) -> None:
    random = np.random.default_rng(1)
    crowd = head.positions([sample_person(random, head.local_names) for _ in range(20)])
    away = np.linalg.norm(crowd - template.mean.numpy(), axis=2).mean(axis=1) * 360
    assert 1.5 < away.mean() < 12 and away.max() < 25  # millimetres


def test_build_template(head: AnnyHead, template: Template, tmp_path: Path) -> None:
    """A small population gives the same kind of file."""
    built = build_template(tmp_path / "head.npz", template.landmarks, count=IDENTITY_SIZE + 16)
    assert torch.equal(built.faces, template.faces)
    assert (built.mean - template.mean).norm(dim=1).mean() * 360 < 3
    flat = built.identity_basis.flatten(1).double()
    cosine = torch.nn.functional.normalize(flat, dim=1)
    assert (cosine @ cosine.T - torch.eye(IDENTITY_SIZE)).abs().max() < 1e-3  # orthogonal
    assert (flat.norm(dim=1).diff() <= 1e-6).all()  # the strongest first
    read = load_template(tmp_path / "head.npz")
    assert (
        read.neutral(torch.ones(IDENTITY_SIZE)) - built.neutral(torch.ones(IDENTITY_SIZE))
    ).abs().max() < 1e-3

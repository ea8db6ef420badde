# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped template: its anatomy, its expressions, its subdivision, its file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.guidance import chosen_expressions
from idto3d.head.template import (
    BROW_LEFT,
    BROW_RIGHT,
    CANONICAL_ARKIT,
    EYE_LEFT,
    EYE_RIGHT,
    LIPS_OUTER,
    NOSE_BASE,
    PARTS,
    Template,
    load_template,
    save_template,
)
from tests.backend.head.shapes import assert_closed, enclosed_volume

PATH = ASSETS / "template" / "head.npz"


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(PATH)


@pytest.fixture(scope="module")
def fine(template: Template) -> Template:
    return template.subdivided()


def test_closed_outward_and_inside_the_cube(template: Template) -> None:
    assert_closed(template.faces)
    assert template.mean.abs().max() < 0.5
    # A head and half a neck of 4 to 6 litres.
    assert 4.0 < enclosed_volume(template.mean, template.faces) * 0.36**3 * 1000 < 6.0
    for part in range(len(PARTS)):
        faces = template.faces[template.part[template.faces[:, 0]] == part]
        assert len(faces) > 50 and enclosed_volume(template.mean, faces) > 0, PARTS[part]


def test_landmarks_are_where_a_face_has_them(template: Template) -> None:
    marks = template.mean[template.landmarks]
    # World +X is the person's left.
    for left, right in ((EYE_LEFT, EYE_RIGHT), (BROW_LEFT, BROW_RIGHT)):
        assert (marks[left, 0] > 0.02).all() and (marks[right, 0] < -0.02).all()
    heights = [marks[part, 1].mean() for part in (BROW_LEFT, EYE_LEFT, NOSE_BASE, LIPS_OUTER)]
    assert heights == sorted(heights, reverse=True) and heights[-1] > marks[8, 1]
    assert marks[30, 2] == marks[:, 2].max()  # the tip of the nose
    mirrored = marks * torch.tensor([-1.0, 1.0, 1.0])
    assert (mirrored[EYE_LEFT].mean(0) - marks[EYE_RIGHT].mean(0)).norm() < 0.005
    eyes = [template.mean[template.part == PARTS.index(side)] for side in ("left eye", "right eye")]
    for ball, outline in zip(eyes, (EYE_LEFT, EYE_RIGHT), strict=True):
        assert (ball.mean(0) - marks[outline].mean(0))[:2].norm() < 0.02


def test_expressions_add_up(template: Template) -> None:
    one, two = {"jawOpen": 0.5}, {"mouthSmileLeft": 0.3}
    both = template.expression({**one, **two})
    assert torch.allclose(both, template.expression(one) + template.expression(two), atol=1e-7)
    assert torch.equal(template.expression({}), torch.zeros_like(template.mean))


def test_canonical_and_back(template: Template) -> None:
    identity = torch.randn(len(template.identity_basis), generator=torch.Generator().manual_seed(0))
    canonical, neutral = template.canonical(identity), template.neutral(identity)
    assert torch.allclose(canonical + template.from_canonical({}), neutral, atol=1e-6)
    smile = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    smiling = canonical + template.from_canonical(smile)
    assert torch.allclose(smiling, neutral + template.expression(smile), atol=1e-6)
    assert list(CANONICAL_ARKIT) == ["jawOpen"]
    assert _mouth(template, canonical) > _mouth(template, neutral) + 0.004


def _mouth(template: Template, positions: torch.Tensor) -> float:
    """Height from the lower lip's lower to the upper lip's upper middle, in units."""
    upper, lower = template.landmarks[LIPS_OUTER][[3, 9]]
    return float(positions[upper, 1] - positions[lower, 1])


def test_every_expression_of_the_vocabulary_moves_the_face(template: Template) -> None:
    names = ("grin", "jaw_open", "surprise", "blink", "brow_raise", "pucker", "scream")
    table = {e.name: e.arkit for e in chosen_expressions(names, ASSETS / "expressions.json")}
    moved = {name: template.expression(arkit) for name, arkit in table.items()}
    assert moved.pop("neutral").abs().max() == 0
    for name, displacement in moved.items():
        assert displacement.norm(dim=1).max() > 0.01, name
        assert displacement[template.mean[:, 1] < -0.4].abs().max() < 0.005, name
    opened = _mouth(template, template.mean + moved["jaw_open"])
    assert opened > 1.5 * _mouth(template, template.mean)
    corners = template.landmarks[[48, 54]]
    width = (template.mean + moved["grin"])[corners, 0].diff().abs()
    assert width > template.mean[corners, 0].diff().abs() + 0.01
    brows = template.landmarks[17:27]
    assert (moved["brow_raise"][brows, 1] > 0.005).float().mean() > 0.7
    lids = template.landmarks[[43, 47]]
    assert (template.mean + moved["blink"])[lids, 1].diff().abs() < 0.012


def test_identity_coefficients_are_standard_deviations(template: Template) -> None:
    """People differ by millimetres for a coefficient of one, and the first ones matter most."""
    size = template.identity_basis.norm(dim=2).mean(dim=1) * 360  # millimetres
    assert 1 < size[0] < 10 and size[-1] < 0.5
    assert (size[:8].mean() > size[8:32].mean()) and (size[8:32].mean() > size[32:].mean())


def test_subdivided(template: Template, fine: Template) -> None:
    assert len(fine.faces) == 4 * len(template.faces)
    assert_closed(fine.faces)
    # Old vertices keep their numbers: landmarks move by the smoothing alone.
    marks = template.landmarks
    assert torch.equal(fine.landmarks, marks) and torch.equal(
        fine.part[marks], template.part[marks]
    )
    assert (fine.mean[marks] - template.mean[marks]).norm(dim=1).max() < 0.01
    assert (fine.part[fine.faces] == fine.part[fine.faces[:, :1]]).all()
    coarse_volume = enclosed_volume(template.mean, template.faces)
    assert enclosed_volume(fine.mean, fine.faces) == pytest.approx(coarse_volume, rel=0.02)


def test_subdivision_is_linear(template: Template, fine: Template) -> None:
    """First shaped then subdivided is first subdivided then shaped."""
    random = torch.Generator().manual_seed(1)
    identity = torch.randn(len(template.identity_basis), generator=random)
    arkit = {"jawOpen": 0.7, "eyeBlinkLeft": 1.0}
    shaped = template.neutral(identity) + template.expression(arkit)
    again = Template(**{**vars(template), "mean": shaped}).subdivided()
    assert torch.allclose(again.mean, fine.neutral(identity) + fine.expression(arkit), atol=1e-5)


def test_file_comes_back(template: Template, tmp_path: Path) -> None:
    save_template(template, tmp_path / "new" / "head.npz")
    read = load_template(tmp_path / "new" / "head.npz")
    for name, value in vars(template).items():
        found = getattr(read, name)
        if isinstance(value, torch.Tensor):
            assert found.dtype == value.dtype and torch.equal(found, value), name
        else:
            assert found == value


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    with pytest.raises(UserError, match="--template"):
        load_template(path)
    path.write_bytes(PATH.read_bytes()[:100_000])
    with pytest.raises(UserError, match="--template"):
        load_template(path)
    np.savez(path, mean=np.zeros((3, 3)))
    with pytest.raises(UserError, match="--template"):
        load_template(path)


def test_the_nearest_head_of_the_basis(template: Template) -> None:
    identity = torch.randn(len(template.identity_basis), generator=torch.Generator().manual_seed(0))
    head = template.neutral(identity)
    assert torch.allclose(template.nearest(head), identity, atol=1e-3)
    # What the basis can't say changes little, and no other coefficients come closer.
    bump = 0.01 * torch.exp(-((head - head[template.landmarks[30]]) ** 2).sum(1) / 0.05**2)
    other = head + bump[:, None]
    found = template.nearest(other)
    gap = (template.neutral(found) - other).square().sum()
    assert gap <= (head - other).square().sum()
    assert gap <= (template.neutral(found + 0.01) - other).square().sum()

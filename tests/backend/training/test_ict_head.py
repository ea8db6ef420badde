# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an ICT-FaceKit file: a made-up one, the template itself in another frame."""

from pathlib import Path

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.head.regions import LEFT_EYE, MOUTH, SKIN
from idto3d.head.template import Template
from idto3d.training.ict_head import NECK_BASE, IctHead, _template_landmarks, load_ict
from tests.backend.training.conftest import ICT_SHAPES


@pytest.fixture(scope="module")
def ict(ict_folder: Path, template: Template) -> IctHead:
    return load_ict(ict_folder, template)


def test_lands_in_the_templates_frame(ict: IctHead, template: Template) -> None:
    marks = template.mean[template.landmarks].numpy()
    miss = np.linalg.norm(ict.mean[ict.landmarks] - marks, axis=1) * 360
    assert miss.mean() < 1.0 and miss.max() < 3.0  # millimetres


def test_landmarks_where_the_template_has_them(ict: IctHead, template: Template) -> None:
    """Marks that lie elsewhere along the jaw and the brows are moved, the rest kept."""
    own = template.landmarks.numpy()
    assert np.array_equal(ict.template_landmarks[31:], ict.landmarks[31:])
    elsewhere = own.copy()
    elsewhere[:31] = np.roll(own[:31], 1)
    outer = template.part.numpy() == 0
    nobody = np.zeros(len(template.identity_basis))
    mean = template.mean.numpy().astype(np.float64)
    assert np.array_equal(_template_landmarks(template, nobody, mean, outer, elsewhere), own)


def test_transparent_parts_and_shoulders_are_left_out(ict: IctHead, template: Template) -> None:
    kept = template.mean.numpy()[template.faces.numpy()][5:, :, 1].min(axis=1) > NECK_BASE
    assert abs(len(ict.faces) - kept.sum()) < 40
    assert ict.mean[ict.faces][..., 1].min() > NECK_BASE
    assert set(np.unique(ict.part)) >= {SKIN, MOUTH, LEFT_EYE}
    assert ict.faces.max() < len(ict.mean) == len(ict.part) == ict.identity.shape[1]


def test_expressions_by_their_arkit_names(ict: IctHead, template: Template) -> None:
    corner = ict.landmarks[54], template.landmarks[54]
    for arkit in ({"mouthSmileLeft": 0.8}, {"jawOpen": 0.5}):
        moved = ict.displacement(arkit)[corner[0]]
        expected = template.expression(arkit)[corner[1]].numpy()
        assert np.linalg.norm(moved - expected) < 0.1 * np.linalg.norm(expected)
    # A name without a side moves both; what ICT lacks moves nothing.
    both = ict.displacement({"mouthSmile": 1.0})
    sides = ict.displacement({"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0})
    assert np.allclose(both, sides)
    assert np.abs(ict.displacement({"tongueOut": 1.0})).max() == 0


def test_template_coefficients_of_its_people(ict: IctHead, template: Template) -> None:
    """The template at those coefficients is the ICT person."""
    for weights in ([0, 0, 0], [1.5, 0, 0], [0, -1, 1]):
        found = ict.to_template @ np.append(1.0, weights)
        wanted = np.zeros(len(found))
        wanted[:ICT_SHAPES] = weights
        shape = np.tensordot(found - wanted, template.identity_basis.numpy(), 1)
        assert np.linalg.norm(shape, axis=1).mean() * 360 < 1.0, weights  # millimetres


def test_missing_file(tmp_path: Path, template: Template) -> None:
    with pytest.raises(UserError, match="--ict"):
        load_ict(tmp_path, template)

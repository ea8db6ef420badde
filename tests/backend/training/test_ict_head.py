# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an ICT-FaceKit file: a made-up one, the template itself in another frame."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from idto3d.errors import UserError
from idto3d.head.template import Template
from idto3d.settings import HEAD_METRES
from idto3d.texture.paint import LEFT_EYE, MOUTH, SKIN
from idto3d.training.ict_head import NECK_BASE, IctHead, _template_landmarks, load_ict

# The made-up people: this many of the template's own shapes as ICT's identities.
SHAPES = 3
MATERIALS = ("M_Face", "M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion", "M_EyeLashes")
# From the template's parts (skin, tongue, eyes) to ICT's.
PART = np.array([0, 2, 7, 8])


@pytest.fixture(scope="module")
def folder(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a file of ICT's: in centimetres, turned, 8 % larger, elsewhere."""
    folder = tmp_path_factory.mktemp("ict")
    turn = Rotation.from_euler("xyz", [6, -3, 2], degrees=True).as_matrix()
    scale = 100 * HEAD_METRES * 1.08

    def carried(directions: np.ndarray) -> np.ndarray:
        return (directions @ turn.T * scale).astype(np.float32)

    faces = template.faces.numpy()
    material = np.zeros(len(faces), dtype=np.int64)
    material[:5] = 4  # a few faces are lashes
    smile = {"mouthSmileLeft": 1.0}, {"mouthSmileRight": 1.0}, {"jawOpen": 1.0}
    np.savez(
        folder / "ict.npz",
        mat_names=np.array(MATERIALS),
        face_mat=material,
        faces=faces.astype(np.int32),
        vert_part=PART[template.part.numpy()],
        mean=carried(template.mean.numpy()) + np.array([1.0, -4.0, 2.0]),
        id=carried(template.identity_basis[:SHAPES].numpy()),
        ex=carried(np.stack([template.expression(arkit).numpy() for arkit in smile])),
        ex_names=np.array(["mouthSmile_L", "mouthSmile_R", "jawOpen"]),
        lm68=template.landmarks.numpy(),
    )
    return folder


@pytest.fixture(scope="module")
def ict(folder: Path, template: Template) -> IctHead:
    return load_ict(folder, template)


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
        wanted[:SHAPES] = weights
        shape = np.tensordot(found - wanted, template.identity_basis.numpy(), 1)
        assert np.linalg.norm(shape, axis=1).mean() * 360 < 1.0, weights  # millimetres


def test_missing_file(tmp_path: Path, template: Template) -> None:
    with pytest.raises(UserError, match="--ict"):
        load_ict(tmp_path, template)

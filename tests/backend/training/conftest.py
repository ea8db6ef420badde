# SPDX-License-Identifier: GPL-3.0-or-later
"""The synthetic population, made once: it takes seconds."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.head.template import Template, load_template
from idto3d.settings import HEAD_METRES

if TYPE_CHECKING:
    from idto3d.training.people import People

# The made-up people: this many of the template's own shapes as ICT's identities.
ICT_SHAPES = 3
ICT_MATERIALS = ("M_Face", "M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion", "M_EyeLashes")
# From the template's parts (skin, tongue, eyes) to ICT's.
ICT_PARTS = np.array([0, 2, 7, 8])
WITHOUT_ANNY = "anny is not installed: pip install 'idto3d[train]'"


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="session")
def people(template: Template) -> "People":
    """Heads from anny alone, as they are without ICT-FaceKit."""
    pytest.importorskip("anny", reason=WITHOUT_ANNY)
    from idto3d.training.people import People

    return People(template, None)


@pytest.fixture(scope="session")
def ict_folder(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
        mat_names=np.array(ICT_MATERIALS),
        face_mat=material,
        faces=faces.astype(np.int32),
        vert_part=ICT_PARTS[template.part.numpy()],
        mean=carried(template.mean.numpy()) + np.array([1.0, -4.0, 2.0]),
        id=carried(template.identity_basis[:ICT_SHAPES].numpy()),
        ex=carried(np.stack([template.expression(arkit).numpy() for arkit in smile])),
        ex_names=np.array(["mouthSmile_L", "mouthSmile_R", "jawOpen"]),
        lm68=template.landmarks.numpy(),
    )
    return folder

# SPDX-License-Identifier: GPL-3.0-or-later
"""A head that was written comes back as it was, but for where it stands."""

from pathlib import Path

import numpy as np
import pytest

from idto3d.asset.build import HeadModel, write_asset
from idto3d.asset.mesh import neck_base
from idto3d.asset.read import read_head
from idto3d.errors import UserError


def test_a_head_comes_back(tmp_path: Path, head_model: HeadModel) -> None:
    write_asset(tmp_path, head_model, "Ada", "test", {})
    found = read_head(tmp_path / "head.glb")
    assert found.expressions == head_model.expressions
    origin = neck_base(head_model.positions[0])
    np.testing.assert_allclose(found.positions + origin, head_model.positions, atol=1e-5)
    np.testing.assert_allclose(found.normals, head_model.normals, atol=1e-6)
    for name in ("faces", "uv", "tangents"):
        np.testing.assert_array_equal(getattr(found, name), getattr(head_model, name))
    for name, values in vars(head_model.maps).items():
        np.testing.assert_array_equal(getattr(found.maps, name), values)


def test_anything_else_is_an_error_with_a_remedy(tmp_path: Path, head_model: HeadModel) -> None:
    path = tmp_path / "head.glb"
    with pytest.raises(UserError, match="resume"):
        read_head(path)
    write_asset(tmp_path, head_model, "Ada", "test", {})
    for broken in (b"glTF", path.read_bytes()[:2000]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="not a finished head"):
            read_head(path)

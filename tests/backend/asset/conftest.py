# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake head and the asset made of it, once for all tests."""

import pytest

from idto3d.asset.build import AssetSettings, HeadModel, build_head
from idto3d.asset.mesh import PosedMesh
from tests.backend.asset.fake_head import EXPRESSIONS, fake_head, stripes


@pytest.fixture(scope="session")
def head_surface() -> PosedMesh:
    return fake_head()


@pytest.fixture(scope="session")
def head_model(head_surface: PosedMesh) -> HeadModel:
    return build_head(
        head_surface, EXPRESSIONS, stripes, AssetSettings(faces=3000, texture_size=256)
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""A head with teeth and lashes: untouched by simplification, with texels of their own."""

import numpy as np
import pytest
import torch

from idto3d.anatomy.attach import Attached, teeth_and_lashes
from idto3d.asset.bake import rasterize_layout
from idto3d.asset.build import AssetSettings, HeadModel, build_head, gltf_mesh
from idto3d.asset.mesh import PosedMesh
from idto3d.assets import ASSETS
from idto3d.head.template import load_template
from tests.backend.asset.fake_head import stripes

EXPRESSIONS = ("neutral", "jaw_open")
FACES = 3000


@pytest.fixture(scope="module")
def attached_and_model() -> tuple[Attached, HeadModel]:
    template = load_template(ASSETS / "template" / "head.npz")
    poses = torch.stack([template.mean, template.mean + template.expression({"jawOpen": 0.8})])
    surface = PosedMesh(
        template.mean.numpy(), (poses - template.mean).numpy(), template.faces.numpy()
    )
    attached = teeth_and_lashes(template, poses.numpy(), (0.2, 0.15, 0.1))
    settings = AssetSettings(faces=FACES, texture_size=512)
    return attached, build_head(surface, EXPRESSIONS, stripes, settings, attached=attached)


def test_parts_come_last_and_keep_every_vertex(
    attached_and_model: tuple[Attached, HeadModel],
) -> None:
    attached, model = attached_and_model
    count = len(attached.original)
    assert FACES - 50 < len(model.faces) - len(attached.faces) <= FACES
    assert np.array_equal(
        model.faces[-len(attached.faces) :], attached.faces + len(model.uv) - count
    )
    assert np.array_equal(model.positions[:, -count:], attached.positions[:, attached.original])
    # The upper teeth rest, the lower ones open with the jaw: the morph target has both.
    (target,) = gltf_mesh(model).morph_targets
    moved = np.linalg.norm(target.positions[-count:], axis=1)
    assert moved.min() == 0 and 0.005 < moved.max() < 0.06  # metres


def test_normals_and_tangents_are_unit(attached_and_model: tuple[Attached, HeadModel]) -> None:
    _, model = attached_and_model
    assert np.abs(np.linalg.norm(model.normals, axis=2) - 1).max() < 1e-4
    assert np.abs(np.linalg.norm(model.tangents[:, :3], axis=1) - 1).max() < 1e-4


def test_parts_have_texels_of_their_own(attached_and_model: tuple[Attached, HeadModel]) -> None:
    attached, model = attached_and_model
    head, parts = model.faces[: -len(attached.faces)], model.faces[-len(attached.faces) :]
    uv = torch.from_numpy(model.uv)
    covered = [
        (rasterize_layout(uv, torch.from_numpy(faces), 512).face[0] >= 0).numpy()
        for faces in (head, parts)
    ]
    assert not (covered[0] & covered[1]).any()
    assert 0.01 < covered[1].mean() < 0.15
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    corners = model.uv[parts].astype(np.float64)
    side_1, side_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # v grows downwards: what isn't mirrored has a negative area in (u, v).
    assert (side_1[:, 0] * side_2[:, 1] - side_1[:, 1] * side_2[:, 0]).max() <= 1e-9


def test_parts_are_baked_in_their_own_colours(
    attached_and_model: tuple[Attached, HeadModel],
) -> None:
    attached, model = attached_and_model
    texel = np.clip((model.uv[-len(attached.original) :] * 512).astype(int), 0, 511)
    found = model.maps.albedo[texel[:, 1], texel[:, 0]] / 255
    error = np.abs(found - attached.material[:, :3]).max(axis=1)
    assert np.median(error) < 0.02 and np.percentile(error, 90) < 0.15
    occlusion, roughness, metallic = model.maps.orm[texel[:, 1], texel[:, 0]].T.astype(float) / 255
    # A shut mouth is dark, but teeth are lit when it opens.
    assert np.median(np.abs(occlusion - attached.occlusion)) < 0.02 and occlusion.min() > 0.1
    assert np.median(roughness) < 0.6 and metallic.max() < 0.01


def test_without_parts_the_head_is_as_before(head_model: HeadModel) -> None:
    assert 2900 <= len(head_model.faces) <= 3000

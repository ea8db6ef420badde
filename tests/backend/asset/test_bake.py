# SPDX-License-Identifier: GPL-3.0-or-later
"""Baked texels against the functions they were baked from."""

import numpy as np
import pytest
import torch

from idto3d.asset.bake import rasterize_layout
from idto3d.asset.build import (
    DARKEST_OCCLUSION,
    AssetSettings,
    HeadModel,
    build_head,
    mesh_normals,
)
from idto3d.asset.mesh import PosedMesh
from idto3d.head.signed_distance import closest_point
from idto3d.render.rasterize import interpolate
from tests.backend.asset.fake_head import fake_head, stripes


def _texels(model: HeadModel, attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertex attributes (U,C) at each covered texel (N,C), and the coverage (S,S)."""
    faces = torch.from_numpy(model.faces)
    size = len(model.maps.albedo)
    fragments = rasterize_layout(torch.from_numpy(model.uv), faces, size)
    inside = fragments.face[0] >= 0
    values = interpolate(torch.from_numpy(attributes), fragments, faces)[0][inside]
    return values.numpy(), inside.numpy()


def test_material_is_that_of_the_canonical_position(head_model: HeadModel) -> None:
    """The neutral pose of the fake head is its canonical one, so positions tell the colours."""
    points, inside = _texels(head_model, head_model.positions[0])
    wanted = stripes(torch.from_numpy(points)).numpy()
    assert np.abs(head_model.maps.albedo[inside] / 255 - wanted[:, :3]).max() < 0.003
    assert np.abs(head_model.maps.orm[inside][:, 1:] / 255 - wanted[:, 3:]).max() < 0.003


def test_gutters_repeat_the_nearest_texel(head_model: HeadModel) -> None:
    _, inside = _texels(head_model, head_model.positions[0])
    albedo = head_model.maps.albedo.astype(int)
    edge = inside[:, :-1] & ~inside[:, 1:]
    assert edge.sum() > 100
    across = np.abs(albedo[:, :-1][edge] - albedo[:, 1:][edge]).max(axis=1)
    # Where two texels are equally near, the diagonal one may win: nearly, not exactly, equal.
    assert np.percentile(across, 95) <= 8
    assert (albedo[~inside].sum(axis=1) > 0).all()


def test_normal_map_brings_the_fine_normals_back(
    head_surface: PosedMesh, head_model: HeadModel
) -> None:
    """Decoded as an engine does, the map must show the ripples that the light mesh lost."""
    frame = np.concatenate(
        [head_model.normals[0], head_model.tangents, head_model.positions[0]], axis=1
    )
    texels, inside = _texels(head_model, frame)
    normal, tangent, point = texels[:, :3], texels[:, 3:6], texels[:, 7:]
    bitangent = np.cross(normal, tangent) * np.sign(texels[:, 6:7])
    x, y, z = np.split(head_model.maps.normal[inside] / 127.5 - 1, 3, axis=1)
    decoded = x * tangent + y * bitangent + z * normal
    decoded /= np.linalg.norm(decoded, axis=1, keepdims=True)
    vertices = torch.from_numpy(head_surface.poses[0])
    faces = torch.from_numpy(head_surface.faces)
    face, barycentric = closest_point(torch.from_numpy(point), vertices, faces)
    fine = mesh_normals(head_surface.poses[0], head_surface.faces)[faces[face].numpy()]
    truth = (barycentric.numpy()[:, :, None] * fine).sum(axis=1)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    coarse = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    with_map = np.degrees(np.arccos(np.clip((decoded * truth).sum(axis=1), -1, 1)))
    without = np.degrees(np.arccos(np.clip((coarse * truth).sum(axis=1), -1, 1)))
    assert np.percentile(with_map, 99) < 1.0
    assert without.mean() > 3 * with_map.mean()


def test_poses_share_seamless_unit_normals(head_model: HeadModel) -> None:
    assert np.abs(np.linalg.norm(head_model.normals, axis=2) - 1).max() < 1e-4
    positions = np.round(head_model.positions[0], 6)
    _, welded = np.unique(positions, axis=0, return_inverse=True)
    welded = welded.ravel()
    total = np.zeros((welded.max() + 1, 3))
    np.add.at(total, welded, head_model.normals[0])
    count = np.bincount(welded)
    assert count.max() > 1  # there are seams
    assert np.abs(np.linalg.norm(total, axis=1) - count).max() < 1e-3


def test_occlusion_is_dark_inside_and_light_outside(head_model: HeadModel) -> None:
    points, inside = _texels(head_model, head_model.positions[0])
    occlusion = head_model.maps.orm[inside][:, 0] / 255
    outside = np.linalg.norm(points / [0.3, 0.42, 0.34], axis=1) > 0.9
    # The eyeballs' fronts lie close below the closed skull; their backs look into its cavity.
    eyes = np.linalg.norm(np.abs(points) - [0.1, 0.05, 0.25], axis=1) < 0.041
    buried = eyes & (points[:, 1] > 0) & (points[:, 2] > 0.26)
    assert buried.sum() > 50
    assert occlusion[outside & (points[:, 2] < 0)].min() > 0.8
    assert np.median(occlusion[buried]) == pytest.approx(DARKEST_OCCLUSION, abs=0.01)
    assert occlusion[buried].max() < 0.5


def test_names_and_poses_must_agree() -> None:
    with pytest.raises(ValueError, match="2 names for 3 poses"):
        build_head(fake_head(8, 8), ("neutral", "smile"), stripes, AssetSettings())

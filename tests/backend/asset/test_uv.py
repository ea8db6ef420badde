# SPDX-License-Identifier: GPL-3.0-or-later
"""The atlas: inside the square, nothing overlaps, seams only where vertices were split."""

import numpy as np
import pytest
import torch

from idto3d.asset.bake import rasterize_layout
from idto3d.asset.mesh import PosedMesh
from idto3d.asset.simplify import simplify
from idto3d.asset.uv import UvLayout, unwrap


@pytest.fixture(scope="module")
def light(head_surface: PosedMesh) -> PosedMesh:
    return simplify(head_surface, 3000)


@pytest.fixture(scope="module")
def layout(light: PosedMesh) -> UvLayout:
    return unwrap(light.canonical, light.faces, 512)


def _signed_areas(layout: UvLayout) -> np.ndarray:
    corners = layout.uv[layout.faces].astype(np.float64)
    side_1, side_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (side_1[:, 0] * side_2[:, 1] - side_1[:, 1] * side_2[:, 0]) / 2


def test_same_faces_over_split_vertices(light: PosedMesh, layout: UvLayout) -> None:
    assert np.array_equal(layout.original[layout.faces], light.faces)
    assert len(layout.uv) == len(layout.original) > len(light.canonical)
    assert layout.uv.min() >= 0 and layout.uv.max() <= 1


def test_charts_do_not_overlap(layout: UvLayout) -> None:
    """Faces drawn one over the other would cover fewer texels than their areas add up to."""
    size = 1024
    fragments = rasterize_layout(torch.from_numpy(layout.uv), torch.from_numpy(layout.faces), size)
    covered = int((fragments.face >= 0).sum()) / size**2
    total = float(np.abs(_signed_areas(layout)).sum())
    assert covered == pytest.approx(total, rel=0.002)
    assert total > 0.45


def test_faces_are_not_mirrored(layout: UvLayout) -> None:
    """What is painted on the texture must not come out mirrored on the head.

    v grows downwards: counter-clockwise to the eye is a negative area in (u, v).
    """
    assert _signed_areas(layout).max() < 1e-12


def test_texels_are_spread_evenly(light: PosedMesh, layout: UvLayout) -> None:
    corners = light.canonical[light.faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    density = np.abs(_signed_areas(layout)) / (np.linalg.norm(cross, axis=1) / 2)
    low, high = np.percentile(density, [2, 98])
    assert high / low < 2.5


def test_is_the_same_each_time(light: PosedMesh, layout: UvLayout) -> None:
    again = unwrap(light.canonical, light.faces, 512)
    assert np.array_equal(again.uv, layout.uv) and np.array_equal(again.faces, layout.faces)

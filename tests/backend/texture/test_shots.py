# SPDX-License-Identifier: GPL-3.0-or-later
"""What a photograph shows of a head."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.head.photo_pose import FIVE_POINTS, solve_pose
from idto3d.head.photo_view import head_and_face
from idto3d.identity.intrinsic_images import SIZE as SIZE_OUT
from idto3d.identity.intrinsic_images import IntrinsicImages
from idto3d.texture.shots import see
from tests.backend.texture.sitter import SIZE, Sitter, make_sitter


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    return make_sitter()


def test_hidden_vertices_are_not_seen(sitter: Sitter) -> None:
    photo, points = sitter.photo(55)
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], points)
    faces, part = sitter.template.faces, sitter.part
    seen = see(sitter.shot(photo, pose), sitter.positions, faces, sitter.normals)
    assert seen.weight.max() > 0.95
    assert seen.weight[sitter.normals @ pose.towards() < 0.1].max() == 0
    # The tongue looks forward, but lies behind the lips.
    assert (sitter.normals[part == 1] @ pose.towards()).max() > 0.8
    assert seen.weight[part == 1].max() < 0.05
    left, right = sitter.template.landmarks[[14, 2]].numpy()
    assert seen.weight[left] > 0.9 and seen.weight[right] == 0
    # What is seen has the picture's colour.
    clear = seen.weight > 0.9
    assert np.abs(seen.colour - sitter.albedo)[clear].mean() < 0.03


def test_photo_that_cuts_the_head(sitter: Sitter) -> None:
    """Vertices beyond the picture's border are not seen."""
    photo, points = sitter.photo(0)
    cut, moved = photo[: SIZE // 2], points
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], moved)
    shot = sitter.shot(cut, pose)
    seen = see(shot, sitter.positions, sitter.template.faces, sitter.normals)
    below = pose.project(sitter.positions)[:, 1] > SIZE // 2
    assert below.any() and seen.weight[below].max() == 0 and seen.weight.max() > 0.9


def test_fine_photos_are_averaged(sitter: Sitter) -> None:
    """A photo with twelve times the pixels gives the same colours."""
    photo, five = sitter.photo(0)
    large = np.kron(photo, np.ones((6, 6, 1), dtype=np.uint8))
    plain = sitter.colours((photo, five)).albedo
    same = sitter.colours((large, (five + 0.5) * 6 - 0.5)).albedo
    assert np.abs(same - plain).mean() < 0.005


def test_background_is_not_laid_on_the_head(sitter: Sitter) -> None:
    """Where the network sees background, and just beside, a photo has no weight."""
    photo, points = sitter.photo(0)
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], points)
    side = np.ones((SIZE_OUT, SIZE_OUT), np.float32)
    on_head = side.copy()
    on_head[:, : SIZE_OUT // 2] = 0.0  # the picture's left half is said to be background
    normal = np.stack([0 * side, 0 * side, side], axis=-1)
    square = head_and_face(pose)[0]
    seen = IntrinsicImages(square, normal, 0.01 * side, normal, on_head)
    whole = sitter.shot(photo, pose)
    half = replace(whole, images=[seen])
    free, bound = (
        see(shot, sitter.positions, sitter.template.faces, sitter.normals).weight
        for shot in (whole, half)
    )
    points = pose.project(sitter.positions)[:, :2]
    inside = (np.abs(points - square.centre) < 0.45 * square.side).all(axis=1)
    left = points[:, 0] < square.centre[0]
    assert free[left].max() > 0.9 and bound[left].max() < 0.01
    beyond = (np.abs(points - square.centre) > 0.5 * square.side).any(axis=1)
    assert beyond.any() and bound[beyond].max() < 0.01  # nobody looked there
    right = inside & (points[:, 0] > square.centre[0] + 0.05 * square.side)
    assert np.allclose(free[right], bound[right], atol=1e-3)

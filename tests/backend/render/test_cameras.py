# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera conventions: where each view stands, what it sees and how large."""

import pytest
import torch

from idto3d.render.cameras import CLOSE_UP_WIDTH, FACE_CENTRE, orbit, sample_cameras, transform


def normalised(points: list[list[float]], cameras) -> torch.Tensor:
    clip = transform(torch.tensor(points), cameras)
    return clip[..., :3] / clip[..., 3:]


@pytest.mark.parametrize(
    "yaw, pitch, expected",
    [(0, 0, (0, 0, 2)), (90, 0, (2, 0, 0)), (180, 0, (0, 0, -2)), (-90, 0, (-2, 0, 0)),
     (0, 90, (0, 2, 0)), (30, 30, (0.8660, 1.0, 1.5))],
)  # fmt: skip
def test_position(yaw, pitch, expected):
    camera = orbit(float(yaw), float(pitch), distance=2.0)
    assert torch.allclose(camera.position[0], torch.tensor(expected).float(), atol=1e-4)


def test_front_view_keeps_x_right_y_up_and_nearer_is_smaller():
    right, up, near, far = normalised(
        [[0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.4], [0, 0, -0.4]], orbit(0.0, 0.0)
    )[0]
    assert right[0] > 0.1 and right[1] == 0
    assert up[1] > 0.1 and up[0] == 0
    assert -1 < near[2] < far[2] < 1


def test_camera_at_the_left_side_sees_the_face_point_left():
    # From +X the person's nose (+Z) points to the left of the image.
    nose = normalised([[0, 0, 0.4]], orbit(90.0, 0.0))[0, 0]
    assert nose[0] < -0.3


def test_view_is_a_rigid_motion():
    cameras = sample_cameras(64, torch.Generator().manual_seed(0))
    rotation = cameras.view[:, :3, :3]
    identity = torch.eye(3).expand(64, 3, 3)
    assert torch.allclose(rotation @ rotation.transpose(1, 2), identity, atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(64), atol=1e-5)


def test_default_orbit_frames_the_cube_height_at_85_percent():
    top = normalised([[0, 0.5, 0]], orbit(40.0, 0.0))[0, 0]
    assert 0.82 < top[1] < 0.9


def test_transform_takes_one_mesh_or_one_per_camera():
    cameras = orbit(torch.tensor([0.0, 70.0]), 10.0)
    vertices = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    shared = transform(vertices, cameras)
    assert torch.equal(shared, transform(vertices.expand(2, 5, 3), cameras))
    homogeneous = torch.cat([vertices, torch.ones(5, 1)], -1)
    expected = torch.stack(
        [homogeneous @ (cameras.projection[i] @ cameras.view[i]).T for i in range(2)]
    )
    assert torch.allclose(shared, expected, atol=1e-5)


def test_sampled_views_follow_the_stated_distribution():
    cameras = sample_cameras(4000, torch.Generator().manual_seed(3), close_up_probability=0.3)
    close, whole = cameras.close_up, ~cameras.close_up
    assert 0.27 < close.float().mean() < 0.33
    assert cameras.yaw[close].abs().max() <= 70
    assert 0.47 < (cameras.yaw[whole].abs() <= 60).float().mean() < 0.53
    # Each quarter behind the front 120 degrees is used.
    assert all(
        ((cameras.yaw[whole] % 360 - centre).abs() < 30).float().mean() > 0.08
        for centre in (90, 150, 210, 270)
    )
    assert cameras.pitch.abs().max() <= 30 and 8.5 < cameras.pitch.std() < 10.5


def test_close_ups_aim_at_the_face_and_the_rest_at_the_head():
    cameras = sample_cameras(300, torch.Generator().manual_seed(4))
    face = normalised([list(FACE_CENTRE)], cameras[cameras.close_up])[:, 0, :2]
    assert face.abs().max() < 0.35
    clip = transform(torch.tensor([FACE_CENTRE]), cameras[cameras.close_up])[:, 0]
    scale = cameras.projection[cameras.close_up][:, 0, 0]
    assert ((2 * clip[:, 3] / scale - CLOSE_UP_WIDTH).abs() < 0.06).all()
    crown_and_lips = [[0, 0.38, 0], [0, -0.22, 0.2]]
    assert normalised(crown_and_lips, cameras[~cameras.close_up])[..., 1].abs().max() < 1.0


def test_same_seed_same_views_and_indexing_keeps_the_batch():
    first, second = (sample_cameras(4, torch.Generator().manual_seed(9)) for _ in range(2))
    assert torch.equal(first.view, second.view)
    assert torch.equal(first[2].view[0], first.view[2]) and len(first[2]) == 1
    assert torch.equal(first[-1].yaw, first.yaw[3:])
    assert len(first[1:3]) == 2

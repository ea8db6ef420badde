# SPDX-License-Identifier: GPL-3.0-or-later
"""What a photograph sees of a head: hidden vertices, and normals at its pixels."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.head.photo_pose import PhotoPose
from idto3d.head.photo_view import head_and_face, normals_seen, visible
from idto3d.head.template import Template, load_template
from idto3d.render.normals import vertex_normals


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


def pose_of(yaw: float) -> PhotoPose:
    turn = Rotation.from_euler("y", yaw, degrees=True).as_matrix()
    return PhotoPose(turn, 300.0, np.array([190.0, 200.0]), 0.0)


def test_squares_hold_the_head_and_the_face(template: Template) -> None:
    pose = pose_of(0)
    points = pose.project(template.mean.double().numpy())[:, :2]
    marks = points[template.landmarks.numpy()]
    head, face = head_and_face(pose)
    for square, inside in ((head, marks), (face, marks[27:])):
        assert (np.abs(inside - square.centre) < 0.5 * square.side).all()
    top = points[:, 1].min()
    assert head.centre[1] - 0.5 * head.side < top  # the crown, too
    assert 0.3 < face.side / head.side < 0.6


def test_what_other_parts_hide_is_not_visible(template: Template) -> None:
    positions = template.mean.double().numpy()
    seen = visible(pose_of(60), positions, template.faces)
    left, right = template.landmarks[[14, 2]].numpy()
    # At a yaw of 60 degrees the head shows one side of its jaw and hides the other.
    assert seen[[left, right]].tolist() in ([True, False], [False, True])
    # The tongue lies behind the lips.
    tongue = template.part.numpy() == 1
    assert visible(pose_of(0), positions, template.faces)[tongue].mean() < 0.1


def test_normals_at_the_pixels_are_the_surface_s(template: Template) -> None:
    positions, pose = template.mean.double().numpy(), pose_of(35)
    square = head_and_face(pose)[1]
    picture = normals_seen(pose, positions, template.faces, square, 96)
    length = np.linalg.norm(picture, axis=-1)
    assert np.isclose(length, 1, atol=1e-3).mean() > 0.5
    assert ((length < 1e-6) | np.isclose(length, 1, atol=1e-3)).all()
    cheeks = template.landmarks[[29, 30, 33, 51]].numpy()
    places = (pose.project(positions[cheeks])[:, :2] - square.centre) / square.side + 0.5
    normals = vertex_normals(template.mean, template.faces).numpy()[cheeks] @ pose.rotation.T
    cells = (places * 96).astype(int)
    found = picture[cells[:, 1], cells[:, 0]]
    assert (found * normals).sum(axis=1).min() > 0.85
    assert (picture[..., 2] > -0.05).all()  # what is seen looks at the camera


def test_beside_the_head_is_nothing(template: Template) -> None:
    pose = pose_of(0)
    square = head_and_face(pose)[0]
    picture = normals_seen(pose, template.mean.double().numpy(), template.faces, square, 64)
    assert np.abs(picture[:3]).max() == 0

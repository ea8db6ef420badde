# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network would see in photographs of a head that is known."""

import numpy as np
from scipy.spatial.transform import Rotation

from idto3d.head.fit import PhotoFit
from idto3d.head.photo_pose import PhotoPose
from idto3d.head.photo_view import head_and_face, normals_seen
from idto3d.head.template import Template
from idto3d.identity.intrinsic_images import SIZE, IntrinsicImages


def photos() -> list[PhotoFit]:
    turns = [Rotation.from_euler("y", yaw, degrees=True).as_matrix() for yaw in (-35, 0, 35)]
    return [PhotoFit(PhotoPose(turn, 300.0, np.zeros(2), 0.0), {}, True) for turn in turns]


def images(
    template: Template, truth: np.ndarray, photos: list[PhotoFit], error: float = 0.0
) -> list[list[IntrinsicImages]]:
    """Of the true head (V,3); error: deviation of each normal's components."""
    random, found = np.random.default_rng(3), []
    for photo in photos:
        squares = []
        for square in head_and_face(photo.pose):
            normal = normals_seen(photo.pose, truth, template.faces, square, SIZE)
            on_head = (np.linalg.norm(normal, axis=-1) > 0.5).astype(np.float32)
            normal = normal + error * random.normal(size=normal.shape).astype(np.float32)
            variance = np.full((SIZE, SIZE), error**2 + 0.01, np.float32)
            squares.append(IntrinsicImages(square, normal, variance, normal, on_head))
        found.append(squares)
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw's motion from the chin's."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from idto3d.anatomy.jaw import chin_weights, jaw_motions
from idto3d.head.template import Template
from tests.backend.anatomy.conftest import SomePerson


def test_a_rigid_motion_is_found_again(template: Template) -> None:
    rest = template.mean.numpy().astype(np.float64)
    turn = Rotation.from_euler("xyz", [17, -4, 2], degrees=True).as_matrix()
    shift = np.array([0.01, -0.02, 0.03])
    moved = rest @ turn.T + shift
    found = jaw_motions(np.stack([rest, moved]), chin_weights(template))
    assert np.abs(found[0].rotation - np.eye(3)).max() < 1e-9
    assert np.abs(found[1].apply(rest) - moved).max() < 1e-7


def test_the_chin_alone_decides(template: Template) -> None:
    weights = chin_weights(template)
    chin = template.mean[template.landmarks[8]]
    used = template.mean[weights > 0]
    assert 30 < len(used) < 200
    assert float((used - chin).norm(dim=1).max()) < 0.16  # 6 cm
    rest = template.mean.numpy()
    elsewhere = rest + np.where(weights > 0, 0.0, 0.1)[:, None]
    (_, found) = jaw_motions(np.stack([rest, elsewhere]), weights)
    assert np.abs(found.apply(rest) - rest).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "least", "most"), [("jaw_open", 14, 24), ("smile", 0, 3), ("blink", 0, 0.1)]
)
def test_how_far_the_jaw_opens(
    people: list[SomePerson], template: Template, name: str, least: float, most: float
) -> None:
    for person in people:
        poses = person.poses[[0, person.pose(name)]]
        (_, motion) = jaw_motions(poses, chin_weights(template))
        angle = np.degrees(np.linalg.norm(Rotation.from_matrix(motion.rotation).as_rotvec()))
        assert least <= angle <= most

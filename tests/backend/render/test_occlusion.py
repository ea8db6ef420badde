# SPDX-License-Identifier: GPL-3.0-or-later
"""Ambient occlusion: known answers."""

import pytest
import torch

from idto3d.render.occlusion import ambient_occlusion


def test_occlusion_in_a_corner_is_that_of_theory() -> None:
    """At the foot of a tall wall, half of the cosine-weighted sky is gone."""
    far = 50.0
    vertices = torch.tensor(
        [[0, 0, 0], [-far, 0, far], [far, 0, far], [-far, 0, 0], [far, 0, 0],
         [-far, far, -1e-3], [far, far, -1e-3], [-far, 0, -1e-3], [far, 0, -1e-3]]
    )  # fmt: skip
    faces = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 4], [7, 8, 6], [7, 6, 5]])
    normals = torch.tensor([0.0, 1.0, 0.0]).expand(len(vertices), 3)
    light = ambient_occlusion(vertices, faces, normals, rays=256, reach=40.0)
    assert float(light[0]) == pytest.approx(0.5, abs=0.05)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures between their pixels."""

import numpy as np

from idto3d.identity.bilinear import bilinear


def test_a_plane_is_met_everywhere() -> None:
    rows, columns = np.meshgrid(np.arange(5.0), np.arange(7.0), indexing="ij")
    image = np.stack([2 * columns + 3 * rows, columns], axis=-1)
    points = np.array([[0.0, 0.0], [2.5, 1.25], [5.5, 3.5]])
    assert np.allclose(bilinear(image, points)[:, 0], points @ [2.0, 3.0], atol=1e-5)


def test_borders_repeat() -> None:
    image = np.arange(6.0).reshape(2, 3, 1)
    points = np.array([[-4.0, -4.0], [9.0, 9.0]])
    assert np.allclose(bilinear(image, points)[:, 0], [0, 5], atol=0.01)

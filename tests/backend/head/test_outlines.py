# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances of points to lines and outlines: known answers."""

import numpy as np

from idto3d.head.outlines import line_distance, polygon_distance


def test_distances_to_lines_and_polygons() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    points = np.array([[0.5, 1.0], [-1.0, 0.0], [2.0, 2.0], [1.0, 0.0]])
    distance, along = line_distance(points, line)
    assert np.allclose(distance, [0.5, 1, 1, 0])
    assert np.allclose(along[[1, 2, 3]], [0, 1, 0.5])
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    inside = np.array([[1.0, 1.0], [0.5, 1.0], [3.0, 1.0], [1.0, -2.0], [1.0, 2.0]])
    for polygon in (square, square[::-1]):
        assert np.allclose(polygon_distance(inside, polygon), [-1, -0.5, 1, 2, 0])

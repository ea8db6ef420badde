# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances of points in a plane to lines and outlines."""

import numpy as np


def line_distance(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (N,) of 2-d points to a polyline (L,2) and the position along it in [0,1]."""
    start, edge = line[:-1], line[1:] - line[:-1]
    offset = points[:, None] - start[None]
    u = np.clip((offset * edge).sum(-1) / ((edge**2).sum(-1) + 1e-12), 0.0, 1.0)
    distance = np.linalg.norm(offset - u[..., None] * edge, axis=-1)
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(points))
    return distance[rows, nearest], (nearest + u[rows, nearest]) / len(edge)


def polygon_distance(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Signed distance (N,) of 2-d points to a polygon (L,2), negative inside."""
    closed = np.concatenate([polygon, polygon[:1]])
    distance = line_distance(points, closed)[0]
    ax, ay = closed[:-1].T
    bx, by = closed[1:].T
    x, y = points[:, :1], points[:, 1:]
    crosses = (ay > y) != (by > y)
    at = (bx - ax) * (y - ay) / np.where(by == ay, 1e-12, by - ay) + ax
    inside = ((x < at) & crosses).sum(axis=1) % 2 == 1
    return np.where(inside, -distance, distance)

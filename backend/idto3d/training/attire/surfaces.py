# SPDX-License-Identifier: GPL-3.0-or-later
"""Small closed surfaces that are worn on a head, and the shapes that they are made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from idto3d.anatomy.pieces import grid_faces
from idto3d.training.sphere import sphere_faces, sphere_points

SIDES = 8  # of a tube


@dataclass(frozen=True)
class Worn:
    """A surface of W vertices that goes with a head; colours are sRGB in [0,1]."""

    place: Callable[[np.ndarray], np.ndarray]  # the head's shapes (B,V,3) -> (B,W,3), units
    faces: np.ndarray  # (F,3) int64, outward
    albedo: np.ndarray  # (W,3)
    roughness: np.ndarray  # (W,)
    hair: np.ndarray  # (W,) in [0,1]
    occlusion: np.ndarray  # (W,) ambient visibility


def still(
    vertices: np.ndarray,
    faces: np.ndarray,
    albedo: np.ndarray,
    roughness: float,
    hair: float = 0.0,
    occlusion: float = 1.0,
) -> Worn:
    """A surface that no expression moves: vertices (W,3), albedo (W,3) or (3,)."""
    count = len(vertices)
    shape = vertices.astype(np.float32)
    return Worn(
        lambda head: np.broadcast_to(shape, (len(head), *shape.shape)),
        faces,
        np.broadcast_to(albedo, (count, 3)),
        np.full(count, roughness),
        np.full(count, hair),
        np.full(count, occlusion),
    )


def joined(surfaces: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Several (vertices, faces) as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in surfaces)])
    return (
        np.concatenate([vertices for vertices, _ in surfaces]),
        np.concatenate(
            [faces + start for (_, faces), start in zip(surfaces, starts, strict=False)]
        ),
    )


def tube(
    curve: np.ndarray, radius: float | np.ndarray, closed: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward faces of a tube around curve (N,3); radius () or (N,).

    An open one gets caps; a closed one's last point must not repeat its first.
    """
    curve = curve.astype(np.float64)
    following = np.roll(curve, -1, axis=0) - np.roll(curve, 1, axis=0)
    if not closed:
        following = np.gradient(curve, axis=0)
    along = _unit(following)
    # The direction that the curve leaves out most gives frames that don't turn.
    least = np.eye(3)[np.abs(along).sum(axis=0).argmin()]
    across = _unit(np.cross(along, least))
    beside = np.cross(across, along)
    angle = 2 * np.pi * np.arange(SIDES) / SIDES
    circle = np.cos(angle)[:, None] * across[:, None] + np.sin(angle)[:, None] * beside[:, None]
    size = np.broadcast_to(radius, len(curve))[:, None, None]
    rings = curve[:, None] + size * circle
    if closed:
        rings = np.concatenate([rings, rings[:1]])
    # Around each ring its first point again, so that the grid closes.
    wrapped = np.concatenate([rings, rings[:, :1]], axis=1)
    faces = grid_faces(*wrapped.shape[:2])[:, ::-1]
    vertices = wrapped.reshape(-1, 3)
    if closed:
        return vertices, faces
    count, columns = len(vertices), SIDES + 1
    column = np.arange(SIDES)
    last = count - columns
    first_cap = np.stack([column, column + 1, np.full(SIDES, count)], axis=1)
    last_cap = np.stack([last + column + 1, last + column, np.full(SIDES, count + 1)], axis=1)
    return np.concatenate([vertices, curve[[0, -1]]]), np.concatenate([faces, first_cap, last_cap])


def ball(centre: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward faces of an ellipsoid; centre (3,), radii (3,)."""
    return centre + radii * sphere_points(), sphere_faces()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic solids and mesh measures that the tests of the head share."""

import torch


def sphere(radius: float = 0.3):
    """Signed distance of a ball at the origin, as a function of points (N,3)."""
    return lambda points: points.norm(dim=-1) - radius


def torus(major: float = 0.3, minor: float = 0.1):
    """Signed distance of a torus around the y axis."""

    def distance(points: torch.Tensor) -> torch.Tensor:
        ring = points[:, [0, 2]].norm(dim=-1) - major
        return torch.stack([ring, points[:, 1]], dim=-1).norm(dim=-1) - minor

    return distance


def box(half: tuple[float, float, float], centre: tuple[float, float, float] = (0.0, 0.0, 0.0)):
    """Exact signed distance of an axis-aligned box."""

    def distance(points: torch.Tensor) -> torch.Tensor:
        q = (points - points.new_tensor(centre)).abs() - points.new_tensor(half)
        return q.clamp(min=0).norm(dim=-1) + q.amax(dim=-1).clamp(max=0)

    return distance


def union(first, second):
    """Signed distance (a bound inside) of the union of two solids."""
    return lambda points: torch.minimum(first(points), second(points))


def icosphere(subdivisions: int, radius: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A subdivided octahedron blown up to a sphere: vertices (V,3), faces (F,3), outward."""
    x = torch.eye(3)
    vertices = torch.cat([x, -x])
    faces = torch.tensor(
        [[0, 1, 2], [3, 2, 1], [3, 5, 4], [0, 4, 5], [1, 3, 5], [0, 5, 1], [2, 4, 0], [3, 4, 2]]
    )
    # Fix the orientation of each face by its own centre: the solid is convex about the origin.
    corners = vertices[faces]
    volume = (corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum(dim=1)
    faces = torch.where((volume < 0)[:, None], faces.flip(1), faces)
    for _ in range(subdivisions):
        edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        unique, inverse = torch.unique(edges.sort(dim=1).values, dim=0, return_inverse=True)
        middle = (inverse + len(vertices)).view(3, -1)
        vertices = torch.cat([vertices, vertices[unique].mean(dim=1)])
        a, b, c = faces.T
        ab, bc, ca = middle
        faces = torch.cat(
            [torch.stack(t, dim=1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
    return torch.nn.functional.normalize(vertices, dim=1) * radius, faces


def enclosed_volume(vertices: torch.Tensor, faces: torch.Tensor) -> float:
    """Volume by the divergence theorem: positive when the faces point outward."""
    corners = vertices.double()[faces]
    return float((corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def directed_edges(faces: torch.Tensor) -> torch.Tensor:
    """All directed edges (3F,2) in the order of the faces' corners."""
    return torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def assert_closed(faces: torch.Tensor) -> None:
    """Every undirected edge belongs to exactly two faces that run it in opposite directions."""
    start, stop = directed_edges(faces).T
    base = int(faces.max()) + 1
    _, directed_count = torch.unique(start * base + stop, return_counts=True)
    assert (directed_count == 1).all(), "two faces run the same edge in the same direction"
    undirected = torch.minimum(start, stop) * base + torch.maximum(start, stop)
    _, count = torch.unique(undirected, return_counts=True)
    assert (count == 2).all(), f"{int((count != 2).sum())} edges are not shared by two faces"

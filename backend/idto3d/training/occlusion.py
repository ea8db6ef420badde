# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: disable-error-code="valid-type"
"""Ambient visibility of a mesh's vertices, by rays through Warp's mesh queries."""

import numpy as np
import warp as wp


@wp.kernel
def _visible(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    rays: int,
    reach: float,
    result: wp.array(dtype=float),
):
    vertex = wp.tid()
    state = wp.rand_init(7, vertex)
    normal = normals[vertex]
    start = points[vertex] + normal * 0.002
    total = float(0.0)
    for _ in range(rays):
        # Cosine-weighted directions: a unit normal plus a point on the unit sphere.
        direction = wp.normalize(normal * 1.0001 + wp.sample_unit_sphere_surface(state))
        query = wp.mesh_query_ray(mesh, start, direction, reach)
        if query.result:
            total += wp.sqrt(query.t / reach)
        else:
            total += 1.0
    result[vertex] = total / float(rays)


def ambient_visibility(
    vertices: np.ndarray, faces: np.ndarray, rays: int = 64, reach: float = 0.33
) -> np.ndarray:
    """(V,) float32 in [0, 1]: 1 sees the open sky, near 0 lies in a cavity.

    vertices (V,3) in unit space, faces (F,3) outward; `reach` in units (0.33 = 12 cm). Hits
    count by the square root of their distance, so that shallow folds darken softly.
    """
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    mesh = wp.Mesh(
        points=wp.array(vertices.astype(np.float32), dtype=wp.vec3, device="cpu"),
        indices=wp.array(faces.astype(np.int32).ravel(), dtype=int, device="cpu"),
    )
    result = wp.zeros(len(vertices), dtype=float, device="cpu")
    wp.launch(
        _visible,
        dim=len(vertices),
        inputs=[
            mesh.id,
            wp.array(vertices.astype(np.float32), dtype=wp.vec3, device="cpu"),
            wp.array(normals.astype(np.float32), dtype=wp.vec3, device="cpu"),
            rays,
            reach,
        ],
        outputs=[result],
        device="cpu",
    )
    return result.numpy()

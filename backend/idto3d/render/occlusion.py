# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: disable-error-code="valid-type"
"""Ambient occlusion at the vertices of a mesh, by rays that Warp casts."""

import math

import torch
import warp as wp

wp.config.quiet = True
wp.init()


@wp.kernel
def _count_escapes(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    start: float,
    reach: float,
    light: wp.array(dtype=wp.float32),
):
    thread = wp.tid()
    normal = normals[thread]
    # A frame around the normal without a branch that divides by zero (Duff et al. 2017).
    sign = wp.where(normal[2] < 0.0, -1.0, 1.0)
    a = -1.0 / (sign + normal[2])
    b = normal[0] * normal[1] * a
    tangent = wp.vec3(1.0 + sign * normal[0] * normal[0] * a, sign * b, -sign * normal[0])
    bitangent = wp.vec3(b, sign + normal[1] * normal[1] * a, -normal[1])
    origin = points[thread] + normal * start
    escaped = float(0.0)
    for index in range(directions.shape[0]):
        local = directions[index]
        direction = tangent * local[0] + bitangent * local[1] + normal * local[2]
        hit = wp.mesh_query_ray(mesh, origin, direction, reach)
        if not hit.result:
            escaped += 1.0
    light[thread] = escaped / float(directions.shape[0])


def ambient_occlusion(
    vertices: torch.Tensor,
    faces: torch.Tensor,
    normals: torch.Tensor,
    rays: int = 96,
    reach: float = 0.25,
) -> torch.Tensor:
    """The share of the sky that each vertex sees, weighted by the cosine: (V,) float32 in [0,1].

    vertices: (V,3), faces: (F,3), normals: (V,3) unit, all on one device. rays: directions for
    a vertex, the same spiral around each normal. reach: how far an occluder counts, in the unit
    of the vertices.
    """
    index = torch.arange(rays, device=vertices.device, dtype=torch.float32) + 0.5
    radius = torch.sqrt(index / rays)  # equal shares of the disc: cosine-weighted above it
    angle = index * (math.pi * (3.0 - math.sqrt(5.0)))
    height = torch.sqrt(1.0 - radius * radius)
    directions = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle), height], dim=1)
    vertices = vertices.detach().float().contiguous()
    normals = normals.detach().float().contiguous()
    indices = faces.to(device=vertices.device, dtype=torch.int32).contiguous().view(-1)
    mesh = wp.Mesh(points=wp.from_torch(vertices, dtype=wp.vec3), indices=wp.from_torch(indices))
    light = torch.empty(len(vertices), device=vertices.device)
    wp.launch(
        _count_escapes,
        dim=len(vertices),
        inputs=[
            mesh.id,
            wp.from_torch(vertices, dtype=wp.vec3),
            wp.from_torch(normals, dtype=wp.vec3),
            wp.from_torch(directions.contiguous(), dtype=wp.vec3),
            1e-3 * reach,
            reach,
        ],
        outputs=[wp.from_torch(light)],
        device=wp.device_from_torch(vertices.device),
        stream=wp.stream_from_torch(vertices.device) if vertices.is_cuda else None,
    )
    return light

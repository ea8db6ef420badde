# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: disable-error-code="valid-type, attr-defined, arg-type, list-item"
"""Signed distance to a triangle mesh and closest points on it, by Warp's bounding volume tree.

The sign is the generalised winding number (Jacobson et al. 2013, fast form Barill et al. 2018):
a point is inside when the winding number exceeds one half. Several closed components (head,
eyeballs, teeth) and small cracks are therefore no problem; overlapping components act as their
union as far as the sign is concerned, while the magnitude is the distance to the nearest triangle
of any of them, also one that lies inside another component.
"""

import torch
import warp as wp

wp.config.log_level = wp.LOG_WARNING
wp.init()


@wp.kernel
def _query_closest(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    max_distance: float,
    face: wp.array(dtype=wp.int32),
    barycentric: wp.array(dtype=wp.vec3),
):
    thread = wp.tid()
    query = wp.mesh_query_point_no_sign(mesh, points[thread], max_distance)
    face[thread] = query.face
    barycentric[thread] = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)


@wp.kernel
def _query_signed_distance(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    max_distance: float,
    distance: wp.array(dtype=wp.float32),
):
    thread = wp.tid()
    query = wp.mesh_query_point_sign_winding_number(mesh, points[thread], max_distance)
    nearest = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
    distance[thread] = query.sign * wp.length(points[thread] - nearest)


class TriangleMesh:
    """A triangle mesh with its search tree: build once, ask often.

    vertices: (V,3) float, any unit. faces: (F,3) int, counter-clockwise seen from outside.
    Queries run on the vertices' device; points must lie there too. Nothing is differentiable.
    """

    def __init__(self, vertices: torch.Tensor, faces: torch.Tensor):
        # Warp arrays borrow torch's memory: the copies kept here must live as long as the tree.
        self.vertices = vertices.detach().float().clone().contiguous()
        self.faces = faces.to(device=vertices.device, dtype=torch.int32).clone().contiguous()
        low, high = self.vertices.amin(dim=0), self.vertices.amax(dim=0)
        self._bounds = torch.stack([low, high])
        self._mesh = wp.Mesh(
            points=wp.from_torch(self.vertices, dtype=wp.vec3),
            indices=wp.from_torch(self.faces.view(-1), dtype=wp.int32),
            support_winding_number=True,
        )

    def signed_distance(self, points: torch.Tensor) -> torch.Tensor:
        """Distance to the surface, negative inside: points (N,3) -> (N,) float32.

        Raises ValueError when the mesh encloses a negative volume, that is when its faces are
        clockwise, because every sign would be wrong.
        """
        if self._enclosed_volume() < 0:
            raise ValueError("the mesh is inside out: its faces must be counter-clockwise")
        points = points.detach().float().contiguous()
        distance = torch.empty(len(points), device=points.device)
        self._launch(_query_signed_distance, points, [wp.from_torch(distance, dtype=wp.float32)])
        return distance

    def closest_point(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Nearest surface point: points (N,3) -> face index (N,) int64, barycentric (N,3) float32.

        The point itself is `(barycentric[..., None] * vertices[faces[face]]).sum(dim=1)`.
        """
        points = points.detach().float().contiguous()
        face = torch.empty(len(points), dtype=torch.int32, device=points.device)
        barycentric = torch.empty(len(points), 3, device=points.device)
        self._launch(
            _query_closest,
            points,
            [wp.from_torch(face, dtype=wp.int32), wp.from_torch(barycentric, dtype=wp.vec3)],
        )
        return face.long(), barycentric

    def _launch(self, kernel: wp.Kernel, points: torch.Tensor, outputs: list[wp.array]) -> None:
        if len(points) == 0:
            return
        # A search radius that reaches the mesh from every one of the points.
        corners = torch.cat([points, self._bounds])
        radius = float((corners.amax(dim=0) - corners.amin(dim=0)).norm()) * 1.01 + 1e-6
        wp.launch(
            kernel,
            dim=len(points),
            inputs=[self._mesh.id, wp.from_torch(points, dtype=wp.vec3), radius],
            outputs=outputs,
            device=wp.device_from_torch(points.device),
            stream=wp.stream_from_torch(points.device) if points.is_cuda else None,
        )

    def _enclosed_volume(self) -> float:
        corners = self.vertices[self.faces.long()]
        return float((corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def mesh_signed_distance(
    points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor
) -> torch.Tensor:
    """Signed distance of points (N,3) to the mesh (V,3), (F,3): (N,) float32, negative inside.

    Several closed components are allowed. Not differentiable. For repeated queries build a
    `TriangleMesh` once. Raises ValueError when the mesh is inside out.
    """
    return TriangleMesh(vertices, faces).signed_distance(points)


def closest_point(
    points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest point on the mesh (V,3), (F,3) for each of points (N,3).

    Returns the face index (N,) int64 and the barycentric coordinates (N,3) float32 in it.
    """
    return TriangleMesh(vertices, faces).closest_point(points)

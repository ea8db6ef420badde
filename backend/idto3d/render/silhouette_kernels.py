# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: disable-error-code="valid-type, misc, operator"
"""Warp kernels that find where silhouette edges pass between neighbouring pixels.

A half-edge h = 3 * face + k is the edge opposite corner k of its face.
"""

import warp as wp

from .kernels import BEHIND

wp.set_module_options({"enable_backward": False})

NO_EDGE = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))


@wp.kernel
def pair_half_edges(
    faces: wp.array2d(dtype=int),
    slots_per_vertex: int,
    table_key: wp.array(dtype=wp.uint64),
    table_half_edge: wp.array(dtype=int),
    partner: wp.array(dtype=int),
):
    """An open-addressing hash table of vertex pairs: the second to arrive meets the first.

    The search starts at the lower vertex's own slots and not at a scrambled one: neighbouring
    faces then share cache lines. Empty slots hold NO_EDGE and -1; `partner` starts at -1.
    """
    half_edge = wp.tid()
    face = half_edge / 3
    corner = half_edge - 3 * face
    start = faces[face, (corner + 1) % 3]
    end = faces[face, (corner + 2) % 3]
    low = wp.min(start, end)
    key = (wp.uint64(low) << wp.uint64(32)) | wp.uint64(wp.max(start, end))
    slot = low * slots_per_vertex
    searching = int(1)
    while searching == 1:
        found = wp.atomic_cas(table_key, slot, NO_EDGE, key)
        if found == NO_EDGE or found == key:
            searching = int(0)
            other = wp.atomic_exch(table_half_edge, slot, half_edge)
            if other >= 0:
                partner[half_edge] = other
                partner[other] = half_edge
        else:
            slot += 1
            if slot == table_key.shape[0]:
                slot = int(0)


@wp.kernel
def find_facing(
    position: wp.array2d(dtype=wp.vec3), faces: wp.array2d(dtype=int), facing: wp.array2d(dtype=int)
):
    """Per image and face: 1 where it turns its front to the camera (clockwise, as rows grow
    downwards), else 0; -1 where it reaches behind the camera."""
    image, face = wp.tid()
    p0 = position[image, faces[face, 0]]
    p1 = position[image, faces[face, 1]]
    p2 = position[image, faces[face, 2]]
    area = (p1[0] - p0[0]) * (p2[1] - p0[1]) - (p2[0] - p0[0]) * (p1[1] - p0[1])
    front = wp.where(area < 0.0, 1, 0)
    facing[image, face] = wp.where(wp.max(wp.max(p0[2], p1[2]), p2[2]) >= BEHIND, -1, front)


@wp.func
def nearer(face: int, depth: float) -> float:
    """Depth of a pixel for comparisons; an empty pixel lies behind everything."""
    return wp.where(face >= 0, depth, 2.0)


@wp.func
def mark_crossings(
    image: int,
    axis: int,
    half_edge: int,
    start_run: float,
    start_scan: float,
    start_depth: float,
    end_run: float,
    end_scan: float,
    end_depth: float,
    inner_run: float,
    inner_scan: float,
    face: wp.array3d(dtype=int),
    depth: wp.array3d(dtype=float),
    key: wp.array4d(dtype=wp.uint64),
):
    """Offers the edge to every pixel pair along `axis` that it separates.

    Axis 0: pairs lie along a row, so columns run and rows are scanned; axis 1 the other way.
    """
    scans = float(face.shape[1] - 1)
    runs = float(face.shape[2] - 1)
    if axis == 1:
        scans = float(face.shape[2] - 1)
        runs = float(face.shape[1] - 1)
    low = wp.ceil(wp.max(wp.min(start_scan, end_scan), 0.0))
    # Half open, so that two edges that meet on a scan line are counted once.
    high = wp.ceil(wp.min(wp.max(start_scan, end_scan), scans + 1.0)) - 1.0
    if low > high:
        return
    slope = (end_run - start_run) / (end_scan - start_scan)
    inner_is_low = inner_run < start_run + (inner_scan - start_scan) * slope
    for scan in range(int(low), int(high) + 1):
        fraction = (float(scan) - start_scan) / (end_scan - start_scan)
        run = start_run + fraction * (end_run - start_run)
        if run >= 0.0 and run < runs:
            first = int(wp.floor(run))
            row0 = scan
            column0 = first
            row1 = scan
            column1 = first + 1
            if axis == 1:
                row0 = first
                column0 = scan
                row1 = first + 1
                column1 = scan
            face0 = face[image, row0, column0]
            face1 = face[image, row1, column1]
            if face0 != face1:
                depth0 = nearer(face0, depth[image, row0, column0])
                depth1 = nearer(face1, depth[image, row1, column1])
                edge_depth = start_depth + fraction * (end_depth - start_depth)
                # The inner pixel has to show what is nearer, and the edge has to lie in front
                # of what the outer pixel shows; otherwise something hides the edge.
                distance = run - float(first)
                visible = depth0 < depth1 and edge_depth < depth1
                if not inner_is_low:
                    distance = 1.0 - distance
                    visible = depth1 < depth0 and edge_depth < depth0
                if visible:
                    # Small folds along a contour give several edges: the outermost is the border.
                    fixed = wp.uint64(wp.float64(distance) * wp.float64(2147483647.0))
                    wp.atomic_max(
                        key, axis, image, row0, column0,
                        (fixed << wp.uint64(32)) | wp.uint64(half_edge + 1),
                    )  # fmt: skip


@wp.kernel
def find_crossings(
    position: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    facing: wp.array2d(dtype=int),
    partner: wp.array(dtype=int),
    face: wp.array3d(dtype=int),
    depth: wp.array3d(dtype=float),
    key: wp.array4d(dtype=wp.uint64),
):
    """Per image and face. key (2,B,H,W): axis, then the pair's upper left pixel; 0 = none."""
    image, index = wp.tid()
    own_facing = facing[image, index]
    if own_facing < 0:
        return
    for corner in range(3):
        half_edge = 3 * index + corner
        other = partner[half_edge]
        # A silhouette separates a front from a back, or borders on nothing. Of two half-edges the
        # front's does the work.
        is_silhouette = other < 0
        if own_facing == 1 and other >= 0:
            is_silhouette = facing[image, other / 3] == 0
        if is_silhouette:
            start = position[image, faces[index, (corner + 1) % 3]]
            end = position[image, faces[index, (corner + 2) % 3]]
            inner = position[image, faces[index, corner]]
            mark_crossings(
                image, 0, half_edge, start[0], start[1], start[2], end[0], end[1], end[2],
                inner[0], inner[1], face, depth, key,
            )  # fmt: skip
            mark_crossings(
                image, 1, half_edge, start[1], start[0], start[2], end[1], end[0], end[2],
                inner[1], inner[0], face, depth, key,
            )  # fmt: skip

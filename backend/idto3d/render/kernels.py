# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: disable-error-code="valid-type, misc, operator"
"""The Warp kernels of the renderer, one source for CPU and CUDA.

Warp compiles them on first use and keeps the result in its cache folder. Kernels marked
`enable_backward=False` decide visibility; Warp derives the adjoints of the others.
"""

import warp as wp

# One kernel instruction must not fuse multiply and add: an edge function evaluated from the two
# sides of a shared edge has to give exactly opposite numbers, or pixels fall through the crack.
wp.set_module_options({"fuse_fp": False})

EMPTY_KEY = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))
# The z/w of a projected vertex that lies behind the camera: beyond every other.
BEHIND = wp.constant(1.0e30)


@wp.func
def to_pixels(clip: wp.vec4, height: int, width: int) -> wp.vec3:
    """Clip position to (column, row, z/w) with pixel centres at whole numbers."""
    return wp.vec3(
        0.5 * (clip[0] / clip[3] + 1.0) * float(width) - 0.5,
        0.5 * (1.0 - clip[1] / clip[3]) * float(height) - 0.5,
        clip[2] / clip[3],
    )


@wp.func
def cross2(ax: float, ay: float, bx: float, by: float) -> float:
    return ax * by - bx * ay


@wp.kernel(enable_backward=False)
def project(
    clip: wp.array2d(dtype=wp.vec4), height: int, width: int, position: wp.array2d(dtype=wp.vec3)
):
    """Vertices as (column, row, z/w); behind the camera z/w is BEHIND."""
    image, vertex = wp.tid()
    corner = clip[image, vertex]
    if corner[3] > 0.0:
        position[image, vertex] = to_pixels(corner, height, width)
    else:
        position[image, vertex] = wp.vec3(0.0, 0.0, BEHIND)


@wp.kernel(enable_backward=False)
def nearest_face(
    position: wp.array2d(dtype=wp.vec3),
    faces: wp.array(dtype=wp.vec3i),
    height: int,
    width: int,
    key: wp.array3d(dtype=wp.uint64),
):
    image, face = wp.tid()
    corner = faces[face]
    p0 = position[image, corner[0]]
    p1 = position[image, corner[1]]
    p2 = position[image, corner[2]]
    # Triangles that reach behind the camera are dropped, not clipped.
    if wp.max(wp.max(p0[2], p1[2]), p2[2]) >= BEHIND:
        return
    # Clamping before the conversion keeps far off-screen coordinates inside int32.
    left = wp.ceil(wp.max(wp.min(wp.min(p0[0], p1[0]), p2[0]), 0.0))
    right = wp.floor(wp.min(wp.max(wp.max(p0[0], p1[0]), p2[0]), float(width - 1)))
    top = wp.ceil(wp.max(wp.min(wp.min(p0[1], p1[1]), p2[1]), 0.0))
    bottom = wp.floor(wp.min(wp.max(wp.max(p0[1], p1[1]), p2[1]), float(height - 1)))
    if left > right or top > bottom:
        return
    area = cross2(p1[0] - p0[0], p1[1] - p0[1], p2[0] - p0[0], p2[1] - p0[1])
    if area == 0.0:
        return
    side = wp.sign(area)
    for row in range(int(top), int(bottom) + 1):
        y = float(row)
        for column in range(int(left), int(right) + 1):
            x = float(column)
            edge0 = cross2(p1[0] - x, p1[1] - y, p2[0] - x, p2[1] - y)
            edge1 = cross2(p2[0] - x, p2[1] - y, p0[0] - x, p0[1] - y)
            edge2 = cross2(p0[0] - x, p0[1] - y, p1[0] - x, p1[1] - y)
            # Most pixels of the box lie outside: no division for them.
            if side * edge0 >= 0.0 and side * edge1 >= 0.0 and side * edge2 >= 0.0:
                depth = (edge0 / area) * p0[2] + (edge1 / area) * p1[2] + (edge2 / area) * p2[2]
                if depth >= -1.0 and depth < 1.0:
                    # Fixed-point depth above, face below: the minimum is the nearest face.
                    fixed = wp.uint64(wp.float64(depth + 1.0) * wp.float64(2147483647.0))
                    wp.atomic_min(
                        key, image, row, column, (fixed << wp.uint64(32)) | wp.uint64(face)
                    )


@wp.kernel(enable_backward=False)
def unpack_face(key: wp.array3d(dtype=wp.uint64), face: wp.array3d(dtype=int)):
    image, row, column = wp.tid()
    packed = key[image, row, column]
    if packed == EMPTY_KEY:
        face[image, row, column] = -1
    else:
        face[image, row, column] = int(packed & wp.uint64(0xFFFFFFFF))


@wp.func
def edge_functions(clip0: wp.vec4, clip1: wp.vec4, clip2: wp.vec4, x: float, y: float) -> wp.vec3:
    """Barycentric coordinates times a factor, at (x, y) in normalised device coordinates.

    Homogeneous edge functions (Olano and Greer 1997, section 3): no division by w.
    """
    x0 = clip0[0] - x * clip0[3]
    y0 = clip0[1] - y * clip0[3]
    x1 = clip1[0] - x * clip1[3]
    y1 = clip1[1] - y * clip1[3]
    x2 = clip2[0] - x * clip2[3]
    y2 = clip2[1] - y * clip2[3]
    return wp.vec3(cross2(x1, y1, x2, y2), cross2(x2, y2, x0, y0), cross2(x0, y0, x1, y1))


@wp.kernel
def barycentric(
    clip: wp.array2d(dtype=wp.vec4),
    faces: wp.array(dtype=wp.vec3i),
    face: wp.array3d(dtype=int),
    barycentric: wp.array3d(dtype=wp.vec3),
    depth: wp.array3d(dtype=float),
):
    image, row, column = wp.tid()
    index = face[image, row, column]
    if index >= 0:
        corner = faces[index]
        clip0 = clip[image, corner[0]]
        clip1 = clip[image, corner[1]]
        clip2 = clip[image, corner[2]]
        # The pixel's ray in normalised device coordinates.
        x = (2.0 * float(column) + 1.0) / float(face.shape[2]) - 1.0
        y = 1.0 - (2.0 * float(row) + 1.0) / float(face.shape[1])
        edge = edge_functions(clip0, clip1, clip2, x, y)
        weight = edge / (edge[0] + edge[1] + edge[2])
        barycentric[image, row, column] = weight
        depth[image, row, column] = (
            weight[0] * clip0[2] + weight[1] * clip1[2] + weight[2] * clip2[2]
        ) / (weight[0] * clip0[3] + weight[1] * clip1[3] + weight[2] * clip2[3])


@wp.kernel
def interpolate(
    attributes: wp.array3d(dtype=float),
    faces: wp.array(dtype=wp.vec3i),
    face: wp.array3d(dtype=int),
    barycentric: wp.array3d(dtype=wp.vec3),
    image_out: wp.array4d(dtype=float),
):
    image, row, column = wp.tid()
    index = face[image, row, column]
    if index >= 0:
        corner = faces[index]
        weight = barycentric[image, row, column]
        # Attributes shared by all images come with a batch of one.
        source = wp.min(image, attributes.shape[0] - 1)
        for channel in range(attributes.shape[2]):
            image_out[image, row, column, channel] = (
                weight[0] * attributes[source, corner[0], channel]
                + weight[1] * attributes[source, corner[1], channel]
                + weight[2] * attributes[source, corner[2], channel]
            )


@wp.kernel(enable_backward=False)
def spread(
    gradient: wp.array4d(dtype=float),
    faces: wp.array(dtype=wp.vec3i),
    face: wp.array3d(dtype=int),
    barycentric: wp.array3d(dtype=wp.vec3),
    attribute_gradient: wp.array3d(dtype=float),
):
    """The adjoint of `interpolate` for the attributes alone, at half the price of the whole."""
    image, row, column = wp.tid()
    index = face[image, row, column]
    if index >= 0:
        corner = faces[index]
        weight = barycentric[image, row, column]
        source = wp.min(image, attribute_gradient.shape[0] - 1)
        for channel in range(attribute_gradient.shape[2]):
            value = gradient[image, row, column, channel]
            wp.atomic_add(attribute_gradient, source, corner[0], channel, weight[0] * value)
            wp.atomic_add(attribute_gradient, source, corner[1], channel, weight[1] * value)
            wp.atomic_add(attribute_gradient, source, corner[2], channel, weight[2] * value)


@wp.kernel
def mean_on_white(
    samples: wp.array3d(dtype=wp.vec3),
    face: wp.array3d(dtype=int),
    factor: int,
    image_out: wp.array3d(dtype=wp.vec3),
):
    """Per pixel: the mean of factor x factor colours, white where no face is."""
    image, row, column = wp.tid()
    share = 1.0 / float(factor * factor)
    for down in range(factor):
        for right in range(factor):
            sample_row = row * factor + down
            sample_column = column * factor + right
            if face[image, sample_row, sample_column] >= 0:
                image_out[image, row, column] += share * samples[image, sample_row, sample_column]
            else:
                image_out[image, row, column] += wp.vec3(share, share, share)


@wp.func
def value_at_sample(
    packed: wp.uint64,
    image: int,
    x: float,
    y: float,
    clip: wp.array2d(dtype=wp.vec4),
    faces: wp.array(dtype=wp.vec3i),
    value: wp.array2d(dtype=wp.vec3),
):
    """What `barycentric` and `interpolate` give the sample at (x, y), `packed` naming the face."""
    corner = faces[int(packed & wp.uint64(0xFFFFFFFF))]
    edge = edge_functions(
        clip[image, corner[0]], clip[image, corner[1]], clip[image, corner[2]], x, y
    )
    weight = edge / (edge[0] + edge[1] + edge[2])
    return (
        weight[0] * value[image, corner[0]]
        + weight[1] * value[image, corner[1]]
        + weight[2] * value[image, corner[2]]
    )


@wp.kernel(enable_backward=False)
def mean_normal_colours(
    key: wp.array3d(dtype=wp.uint64),
    clip: wp.array2d(dtype=wp.vec4),
    faces: wp.array(dtype=wp.vec3i),
    normal: wp.array2d(dtype=wp.vec3),
    rotation: wp.array(dtype=wp.mat33),
    factor: int,
    colour: wp.array3d(dtype=wp.vec3),
):
    """Per image and pixel: the mean over factor x factor samples of what `barycentric`,
    `interpolate` and `normal_colours` would give each, without storing any of it."""
    image, row, column = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    for down in range(factor):
        for right in range(factor):
            sample_row = row * factor + down
            sample_column = column * factor + right
            packed = key[image, sample_row, sample_column]
            if packed == EMPTY_KEY:
                total += wp.vec3(1.0, 1.0, 1.0)
            else:
                x = (2.0 * float(sample_column) + 1.0) / float(key.shape[2]) - 1.0
                y = 1.0 - (2.0 * float(sample_row) + 1.0) / float(key.shape[1])
                unit = wp.normalize(
                    rotation[image] * value_at_sample(packed, image, x, y, clip, faces, normal)
                )
                total += wp.vec3(0.5 * unit[0] + 0.5, 0.5 * unit[1] + 0.5, 0.5 * unit[2] + 0.5)
    colour[image, row, column] = total / float(factor * factor)


@wp.kernel(enable_backward=False)
def mean_colours(
    key: wp.array3d(dtype=wp.uint64),
    clip: wp.array2d(dtype=wp.vec4),
    faces: wp.array(dtype=wp.vec3i),
    paint: wp.array2d(dtype=wp.vec3),
    factor: int,
    colour: wp.array3d(dtype=wp.vec3),
):
    """As `mean_normal_colours`, of colours that are taken as they are; white where nothing is."""
    image, row, column = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    for down in range(factor):
        for right in range(factor):
            sample_row = row * factor + down
            sample_column = column * factor + right
            packed = key[image, sample_row, sample_column]
            if packed == EMPTY_KEY:
                total += wp.vec3(1.0, 1.0, 1.0)
            else:
                x = (2.0 * float(sample_column) + 1.0) / float(key.shape[2]) - 1.0
                y = 1.0 - (2.0 * float(sample_row) + 1.0) / float(key.shape[1])
                total += value_at_sample(packed, image, x, y, clip, faces, paint)
    colour[image, row, column] = total / float(factor * factor)


@wp.kernel
def area_normals(
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array(dtype=wp.vec3i),
    total: wp.array2d(dtype=wp.vec3),
):
    batch, face = wp.tid()
    corner = faces[face]
    origin = vertices[batch, corner[0]]
    # The cross product of two edges is twice the area long: large faces count for more.
    normal = wp.cross(vertices[batch, corner[1]] - origin, vertices[batch, corner[2]] - origin)
    wp.atomic_add(total, batch, corner[0], normal)
    wp.atomic_add(total, batch, corner[1], normal)
    wp.atomic_add(total, batch, corner[2], normal)


@wp.kernel
def normal_colours(
    normal: wp.array2d(dtype=wp.vec3),
    rotation: wp.array(dtype=wp.mat33),
    face: wp.array2d(dtype=int),
    colour: wp.array2d(dtype=wp.vec4),
):
    """Per image and pixel: RGB of the camera-space normal on white, and coverage."""
    image, pixel = wp.tid()
    if face[image, pixel] < 0:
        colour[image, pixel] = wp.vec4(1.0, 1.0, 1.0, 0.0)
    else:
        unit = wp.normalize(rotation[image] * normal[image, pixel])
        colour[image, pixel] = wp.vec4(
            0.5 * unit[0] + 0.5, 0.5 * unit[1] + 0.5, 0.5 * unit[2] + 0.5, 1.0
        )

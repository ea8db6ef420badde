# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic antialiasing of silhouettes, which is also the only path of their gradient.

Visibility at pixel centres jumps, so a rasterized image has no derivative with respect to where
an outline lies. Here each silhouette edge that passes between two neighbouring pixel centres is
found, and the pixel it cuts is blended with its neighbour by the share the edge cuts off. That
share is a smooth function of the edge's two ends.

The search starts from the mesh's edges and not from the faces that pixels show (as usual since
Laine et al. 2020): on a fine mesh the face that owns the outline is often smaller than a pixel
and covers no pixel centre.
"""

import torch
import warp as wp
from torch import Tensor

from . import silhouette_kernels
from .launch import array, launch

# Slots in the hash table of edges for each vertex. On a closed mesh a vertex is the lower end of
# three edges on average and of six or so at most; the rest overflows into the next slots.
SLOTS_PER_VERTEX = 8


def half_edge_partners(faces: Tensor) -> Tensor:
    """(3F,) int32: for each half-edge the one on the neighbouring face, -1 at a border.

    faces: (F,3) integer, consistently oriented. Half-edge 3 * f + k lies opposite corner k of
    face f. Where more than two faces share an edge they are paired in order of arrival.
    """
    faces = faces.to(torch.int32).contiguous()
    device, count = faces.device, 3 * len(faces)
    vertices = int(faces.max()) + 1 if count else 0
    length = max(SLOTS_PER_VERTEX * vertices, count)
    # -1 in each byte is NO_EDGE once read as unsigned.
    key = torch.full((length,), -1, dtype=torch.int64, device=device)
    half_edge = torch.full((length,), -1, dtype=torch.int32, device=device)
    partner = torch.full((count,), -1, dtype=torch.int32, device=device)
    launch(
        silhouette_kernels.pair_half_edges,
        (count,),
        [array(faces), SLOTS_PER_VERTEX],
        [array(key, wp.uint64), array(half_edge), array(partner)],
    )
    return partner


def find_crossings(
    position: Tensor, faces: Tensor, partners: Tensor, face: Tensor, depth: Tensor
) -> tuple[Tensor, Tensor]:
    """Pixel pairs that a visible silhouette edge separates.

    faces (F,3) int32; partners (3F,) int32; position (B,V,3), face and depth (B,H,W) of the
    fragments.
    Returns pair (M,4) int64 rows (axis, image, row, column), axis 0 for the pair with the pixel to
    the right and 1 for the one below, and half_edge (M,) int64.
    """
    facing = torch.empty(len(face), len(faces), dtype=torch.int32, device=face.device)
    key = torch.zeros(2, *face.shape, dtype=torch.int64, device=face.device)
    launch(
        silhouette_kernels.find_facing,
        facing.shape,
        [array(position, wp.vec3), array(faces)],
        [array(facing)],
    )
    launch(
        silhouette_kernels.find_crossings,
        facing.shape,
        [array(position, wp.vec3), array(faces), array(facing), array(partners), array(face),
         array(depth)],
        [array(key, wp.uint64)],
    )  # fmt: skip
    pair = key.nonzero()
    return pair, (key[tuple(pair.t())] & 0xFFFFFFFF) - 1


def blend_silhouettes(
    image: Tensor,
    clip: Tensor,
    faces: Tensor,
    partners: Tensor,
    face: Tensor,
    depth: Tensor,
    position: Tensor,
) -> Tensor:
    """Image (B,H,W,C) with each pixel cut by a silhouette mixed with the neighbour beyond it.

    A straight edge cuts a pixel along its steeper axis; there the coverage is one half minus the
    distance from the pixel's centre to the edge along that axis. clip (B,V,4), with its gradient;
    the other arguments as `find_crossings`.
    """
    images, height, width, channels = image.shape
    pair, half_edge = find_crossings(position, faces, partners, face, depth)
    axis, batch, row, column = pair.t()
    first = (batch * height + row) * width + column
    second = first + torch.where(axis == 0, 1, width)
    corner = torch.stack([(half_edge + 1) % 3, (half_edge + 2) % 3])
    vertex = faces.view(-1)[half_edge // 3 * 3 + corner].long()
    ends = clip.reshape(-1, 4).index_select(0, (batch * clip.shape[1] + vertex).reshape(-1))
    ends = ends.view(2, -1, 4)
    # Pixel coordinates with centres at whole numbers; run lies along the pair, scan across it.
    scale = torch.tensor([width / 2, -height / 2], device=clip.device)
    offset = torch.tensor([width / 2, height / 2], device=clip.device) - 0.5
    position = ends[..., :2] / ends[..., 3:] * scale + offset
    along_row = (axis == 0)[:, None]
    run, scan = torch.where(along_row, position, position.flip(-1)).unbind(-1)
    line = torch.where(axis == 0, row, column)
    fraction = (line - scan[0]) / (scan[1] - scan[0])
    crossing = run[0] + fraction * (run[1] - run[0]) - torch.where(axis == 0, column, row)
    empty_last = torch.where(face < 0, 2.0, depth).reshape(-1)
    first_is_inner = empty_last[first] < empty_last[second]
    inner, outer = (
        torch.where(first_is_inner, first, second),
        torch.where(first_is_inner, second, first),
    )
    # Positive: the edge cuts into the inner pixel; negative: it reaches into the outer one.
    cut = 0.5 - torch.where(first_is_inner, crossing, 1 - crossing)
    target = torch.where(cut > 0, inner, outer)
    source = torch.where(cut > 0, outer, inner)
    weight = cut.abs()
    # A pixel cut along both axes takes the one with the larger share: the edge's steeper axis.
    share = torch.zeros(2, images * height * width, device=clip.device)
    share.index_put_((axis, target), weight.detach(), accumulate=True)
    along, across = share[axis, target], share[1 - axis, target]
    weight = weight * torch.where(axis == 0, along >= across, along > across)
    flat = image.reshape(-1, channels)
    difference = flat.index_select(0, source) - flat.index_select(0, target)
    return flat.index_add(0, target, weight[:, None] * difference).view_as(image)

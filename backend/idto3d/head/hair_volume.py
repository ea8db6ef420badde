# SPDX-License-Identifier: GPL-3.0-or-later
"""How far hair stands off the scalp, from the outlines of the head in the photos.

From the middle of the scalp a ray runs in every direction of the picture. Where the model's outline
is hair, it should lie as far out as the photo's. Between the outlines the volume is as smooth as
can be, so what no photo shows has the volume of what is next to it.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse import csgraph

from idto3d.head.photo_pose import PhotoPose
from idto3d.head.regions import smoothstep
from idto3d.head.relief import cotangent_laplacian, solve
from idto3d.identity.intrinsic_images import IntrinsicImages
from idto3d.render.normals import vertex_normals
from idto3d.settings import HEAD_METRES

RAYS = 120
STEP = 0.004  # units along a ray
FURTHEST = 0.62  # units from the middle of the scalp: beyond, it is no hair of this head
THICKEST = 0.10 / HEAD_METRES  # units; what is longer hangs down and is no volume over a scalp
GAP = 0.1  # units without head that end a ray: less is between curls
# Of the energy: how stiff the volume is, as a membrane, and how it is held at the usual one,
# against one ray.
MEMBRANE, HOLD = 4.0, 8.0
# A ray that disagrees by this much (units) counts half: a hand, a hat's brim, another head.
ROBUST = 0.04 / HEAD_METRES
STEPS = 4  # of solving and looking again which vertices are the outline
LEAST_COVER = 0.5
# From the hair's edge it takes so far (units) until it stands off fully, and at ears and nape at
# least so many times as far as it stands off: there hair is cut to lie on.
SLOPE, GENTLE = 0.03 / HEAD_METRES, 2.0
# How much more firmly the volume is held at the usual one where outlines say nothing.
UNCLEAR = 50.0
# Hair grows along normals averaged over so far (units): a nape's own normals cross above it.
NEARBY = 0.02 / HEAD_METRES


def growing_directions(faces: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(V,3) unit: where hair on a head (V,3), (F,3) stands off to."""
    laplacian, area = cotangent_laplacian(faces, positions)
    vertices = torch.from_numpy(positions.astype(np.float32))
    normals = vertex_normals(vertices, torch.from_numpy(faces)).double().numpy()
    mean = solve(sparse.diags(area) + NEARBY**2 * laplacian, area[:, None] * normals)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)


def hair_volume(
    bare: np.ndarray,
    faces: torch.Tensor,
    usual: np.ndarray,
    free: np.ndarray,
    clear: np.ndarray,
    behind: np.ndarray,
    photos: Sequence[tuple[PhotoPose, np.ndarray, IntrinsicImages]],
) -> np.ndarray:
    """Offset (V,) units of the bare head (V,3), faces (F,3), along its `growing_directions`.

    Args:
        usual: (V,) offset of usual hair, which is kept where no photo shows an outline.
        free: (V,) in [0,1], where hair grows that may stand off differently.
        clear: (V,) bool, where an outline is the hair's and nothing else's.
        behind: (V,) bool, ears and what lies behind them.
        photos: pose, displacement (V,3) from the bare head, and what is head in the photo.
    """
    cover = free * smoothstep(0.0, SLOPE, _distance(faces.numpy(), bare, free < 0.05))
    grows = cover > LEAST_COVER
    if not grows.any() or not photos:
        return usual
    laplacian, area = cotangent_laplacian(faces.numpy(), bare)
    area = area / area.sum()
    thickness = np.full(len(bare), float(np.median(usual[grows])))
    hold = HOLD * area * np.where(clear, 1.0, UNCLEAR)
    held = MEMBRANE * laplacian + sparse.diags(hold)
    normals = growing_directions(faces.numpy(), bare)
    middle = bare[grows].mean(axis=0)
    found = thickness.copy()
    for _ in range(STEPS):
        weight, right = np.zeros(len(bare)), np.zeros(len(bare))
        for pose, moved, image in photos:
            offset = usual + (found - usual) * cover
            points = bare + moved + offset[:, None] * normals
            vertices, missing = outline_error(pose, points, middle, normals, image, grows & clear)
            trust = 1 / (1 + (missing / ROBUST) ** 2)
            np.add.at(weight, vertices, trust * cover[vertices] ** 2)
            wanted = cover[vertices] * found[vertices] + missing
            np.add.at(right, vertices, trust * cover[vertices] * wanted)
        system = held + sparse.diags(weight)
        found = solve(system, hold * thickness + right)
    found = np.clip(found, 0.0, THICKEST)
    edge = _distance(faces.numpy(), bare, (free < 0.05) & behind)
    rise = smoothstep(0.0, np.maximum(GENTLE * found, SLOPE), edge)
    return usual + (found - usual) * cover * rise


def _distance(faces: np.ndarray, positions: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(V,) units along the edges to the nearest vertex of start (V,) bool."""
    one, other = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    length = np.linalg.norm(positions[one] - positions[other], axis=1)
    graph = sparse.csr_matrix((length, (one, other)), shape=(len(positions),) * 2)
    sources = np.flatnonzero(start)
    if len(sources) == 0:
        return np.full(len(positions), np.inf)
    return csgraph.dijkstra(graph, directed=False, indices=sources, min_only=True)


def outline_error(
    pose: PhotoPose,
    points: np.ndarray,
    middle: np.ndarray,
    normals: np.ndarray,
    image: IntrinsicImages,
    grows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N,) of the model's outline that carry hair, and how far along `normals` (N,)
    units the photo's outline lies beyond them.

    points (V,3): the model; middle (3,): where the rays begin; grows (V,) bool: what may carry it.
    """
    projected = pose.project(points)[:, :2]
    start = pose.project(middle[None])[0, :2]
    offset = projected - start
    ray = np.floor((np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi) + 0.5) * RAYS)
    radius = np.linalg.norm(offset, axis=1)
    order = np.lexsort((radius, ray))
    last = np.flatnonzero(np.append(np.diff(ray[order]) > 0, True))
    outer = order[last]
    outer = outer[grows[outer]]
    direction = offset[outer] / radius[outer][:, None]
    along = np.arange(0.0, FURTHEST, STEP)
    places = start + (direction[:, None] * along[:, None]) * pose.focal
    seen = image.at(places.reshape(-1, 2))
    inside = np.isfinite(seen.variance).reshape(len(outer), -1)
    on_head = seen.on_head.reshape(len(outer), -1)
    # The first place beyond which no head is for a while.
    run = round(GAP / STEP)
    heads = np.cumsum(np.pad(on_head >= 0.5, ((0, 0), (1, run))), axis=1)
    ends = heads[:, run:-1] == heads[:, : -run - 1]
    first = ends.argmax(axis=1)
    known = ends.any(axis=1) & inside[np.arange(len(outer)), first] & (first > 0)
    row = np.arange(len(outer))
    before, after = on_head[row, first - 1], on_head[row, first]
    share = np.clip((before - 0.5) / np.maximum(before - after, 1e-6), 0.0, 1.0)
    edge = along[first - 1] + share * STEP
    # Of a vertex' way the picture shows a part.
    turned = normals[outer] @ pose.rotation.T
    shown = (turned[:, :2] * np.array([1.0, -1.0]) * direction).sum(axis=1)
    missing = (edge - radius[outer] / pose.focal) / np.maximum(shown, 0.5)
    return outer[known], missing[known]

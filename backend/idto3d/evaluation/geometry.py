# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a face is from the true one: rigid alignment, then symmetric point-to-surface distance.

The face is what the 68 landmarks of the true head enclose: bare skin in front of the ears, above
the chin, below the hairline, seen from outside. Sizes count: the alignment turns and shifts but
never scales. Positions are in unit space, results in millimetres.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from idto3d.head.rigid_motion import RigidMotion, kabsch
from idto3d.head.signed_distance import TriangleMesh
from idto3d.head.template import CHIN, JAW_ENDS, OUTER_EYES
from idto3d.render.cameras import orbit, transform
from idto3d.render.rasterize import rasterize
from idto3d.settings import HEAD_METRES

MILLIMETRES = 1000.0 * HEAD_METRES  # of one unit
# Landmarks that exist as sharp features: all but the jaw line.
INNER_LANDMARKS = slice(17, 68)
BROWS = slice(17, 27)
# The outer corners of the eyes are 8.92 cm apart in a face of mean size (see `texture.paint`).
# The hair begins about 4.6 such centimetres above the brows; the face here ends below that.
FOREHEAD = 3.8 / 8.92
# What no camera around the front sees is no part of a face: throat, inside of nose and mouth.
LOOK_FROM = [(yaw, pitch) for yaw in (-60, 0, 60) for pitch in (-25, 0, 25)]
LOOK_PIXELS = 512
# Of the alignment: steps by every so many points; first a few points, then all of them.
ICP_PASSES = ((4, 30), (1, 5))
ICP_TOLERANCE = 1e-5  # units and radians: the end of a pass
# Of the subject, what lies farther than this (units) around the true face is left alone.
MARGIN = 0.05
SIZE_STEPS = 3  # of finding a subject's size
POINT_SHARE = 0.1  # of the point-to-point term, which keeps flat directions from sliding


@dataclass(frozen=True)
class FaceDistance:
    """Millimetres between two faces, after rigid alignment."""

    mean: float  # of both directions' means
    median: float  # of both directions' medians
    to_subject: float  # mean distance of the true face's points to the subject's surface
    to_truth: float  # mean distance of the subject's points to the true surface


def seen_faces(
    vertices: np.ndarray, faces: np.ndarray, look_from: Sequence[tuple[float, float]] = LOOK_FROM
) -> np.ndarray:
    """(F,) bool: which triangles of a head (V,3), (F,3) cameras see, around its front or from
    these directions (yaw, pitch) in degrees."""
    yaw, pitch = torch.tensor(look_from, dtype=torch.float32).T
    cameras = orbit(yaw, pitch, 2.6, (0.0, 0.0, 0.05), 20.0)
    indices = torch.from_numpy(faces)
    seen = np.zeros(len(faces), dtype=bool)
    for index in range(len(cameras)):
        clip = transform(torch.from_numpy(vertices).float(), cameras[index])
        shown = rasterize(clip, indices, LOOK_PIXELS, LOOK_PIXELS).face
        seen[shown[shown >= 0].numpy()] = True
    return seen


def face_vertices(vertices: np.ndarray, skin: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(V,) bool: skin (V,) of a head (V,3) inside the box that its landmarks (68,) span.

    skin: bool, without what hair covers; landmarks: vertex indices.
    """
    marks = vertices[landmarks]
    width = np.linalg.norm(marks[OUTER_EYES[0]] - marks[OUTER_EYES[1]])
    hairline = marks[BROWS, 1].mean() + FOREHEAD * width
    ears = marks[JAW_ENDS, 2].mean()
    height, depth = vertices[:, 1], vertices[:, 2]
    return skin & (height > marks[CHIN, 1]) & (height < hairline) & (depth > ears)


class TrueFace:
    """The face that others are measured against.

    vertices (V,3) unit space; faces (F,3); skin (V,) bool, without what hair covers: the volume of
    hair is no property of a face; landmarks (68,) vertex indices.
    """

    def __init__(
        self, vertices: np.ndarray, faces: np.ndarray, skin: np.ndarray, landmarks: np.ndarray
    ) -> None:
        self.landmarks = vertices[landmarks].astype(np.float64)
        inside = face_vertices(vertices, skin, landmarks)[faces].all(axis=1)
        self.in_face = inside & seen_faces(vertices, faces)
        centres, self.normals, areas = triangles(vertices, faces)
        self.points, self.areas = centres[self.in_face], areas[self.in_face]
        # With what lies inside, so that a subject's nostril is compared with the nostril.
        self.surface = Surface(vertices, faces)

    def distance(
        self, vertices: np.ndarray, faces: np.ndarray, landmarks: np.ndarray
    ) -> FaceDistance:
        """Of a subject (V,3), (F,3) with landmarks (68,), vertex indices; aligned here."""
        return self.compare(vertices, faces, landmarks)[0]

    def compare(
        self, vertices: np.ndarray, faces: np.ndarray, landmarks: np.ndarray
    ) -> tuple[FaceDistance, RigidMotion]:
        """The distance of a subject, given as in `distance`, and what lays it on this face."""
        pairs, motion = self._laid(vertices, faces, landmarks)
        gaps = np.linalg.norm(motion.apply(pairs.subject) - pairs.truth, axis=1) * MILLIMETRES
        first = len(self.points)
        parts = [(gaps[:first], pairs.weight[:first]), (gaps[first:], pairs.weight[first:])]
        to_subject, to_truth = (float((gap * weight).sum() / weight.sum()) for gap, weight in parts)
        medians = [weighted_median(gap, weight) for gap, weight in parts]
        mean = 0.5 * (to_subject + to_truth)
        return FaceDistance(mean, float(np.mean(medians)), to_subject, to_truth), motion

    def apart_from_size(
        self, vertices: np.ndarray, faces: np.ndarray, landmarks: np.ndarray
    ) -> FaceDistance:
        """As `distance`, of the subject scaled to fit best: photographs don't tell sizes."""
        marks = vertices[landmarks][INNER_LANDMARKS].astype(np.float64)
        known = self.landmarks[INNER_LANDMARKS]
        scaled = vertices * (_extent(known) / _extent(marks))
        for _ in range(SIZE_STEPS):
            pairs, motion = self._laid(scaled, faces, landmarks)
            scaled = scaled * _growth(motion.apply(pairs.subject), pairs)
        return self.distance(scaled, faces, landmarks)

    def _laid(
        self, vertices: np.ndarray, faces: np.ndarray, landmarks: np.ndarray
    ) -> tuple["_Pairs", RigidMotion]:
        """The motion that lays a subject on this face, and the points that belong together then."""
        marks = vertices[landmarks][INNER_LANDMARKS].astype(np.float64)
        start = kabsch(marks, self.landmarks[INNER_LANDMARKS])
        subject = self._around(vertices, faces, start)
        motion = self._align(subject, start)
        return self._pairs(subject, motion), motion

    def _around(self, vertices: np.ndarray, faces: np.ndarray, motion: RigidMotion) -> "_Subject":
        """The subject's part that `motion` brings near the true face; points where it is seen."""
        moved = motion.apply(vertices)
        near = moved > self.points.min(axis=0) - MARGIN
        near &= moved < self.points.max(axis=0) + MARGIN
        near_faces = near.all(axis=1)[faces].all(axis=1)
        centres, _, areas = triangles(vertices, faces)
        seen = near_faces & seen_faces(moved, faces)
        return _Subject(centres[seen], areas[seen], Surface(vertices, faces[near_faces]))

    def _align(self, subject: "_Subject", motion: RigidMotion) -> RigidMotion:
        """Iterated closest points, point to plane (Chen & Medioni 1991), from a first motion."""
        for stride, steps in ICP_PASSES:
            for _ in range(steps):
                pairs = self._pairs(subject, motion, stride)
                turn, shift = _plane_step(motion.apply(pairs.subject), pairs)
                motion = RigidMotion(turn @ motion.rotation, turn @ motion.shift + shift)
                if np.abs(turn - np.eye(3)).max() + np.abs(shift).max() < ICP_TOLERANCE:
                    break
        return motion

    def _pairs(self, subject: "_Subject", motion: RigidMotion, stride: int = 1) -> "_Pairs":
        """Each true point with the subject's nearest, then each subject point with the truth's."""
        points, areas = self.points[::stride], self.areas[::stride]
        normals = self.normals[self.in_face][::stride]
        _, on_subject = subject.surface.closest(motion.undo(points))
        candidates = subject.points[::stride]
        moved = motion.apply(candidates)
        nearest, on_truth = self.surface.closest(moved)
        # A subject's point belongs to the face when the truth's nearest triangle does.
        chosen = self.in_face[nearest]
        area = subject.areas[::stride][chosen]
        return _Pairs(
            np.concatenate([on_subject, candidates[chosen]]),
            np.concatenate([points, on_truth[chosen]]),
            np.concatenate([normals, self.normals[nearest[chosen]]]),
            np.concatenate([areas / areas.sum(), area / area.sum()]),
        )


@dataclass(frozen=True)
class _Pairs:
    """Points that belong together, those found from the truth first; each side's weight is one."""

    subject: np.ndarray  # (N,3) in the subject's own place
    truth: np.ndarray  # (N,3)
    normal: np.ndarray  # (N,3) of the truth
    weight: np.ndarray  # (N,)


@dataclass(frozen=True)
class _Subject:
    """What is measured, in its own place."""

    points: np.ndarray  # (N,3) on what is seen of it
    areas: np.ndarray  # (N,) that each point stands for
    surface: "Surface"


class Surface:
    """Closest points on a triangle mesh, in numpy."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self._faces = faces
        self._corners = vertices.astype(np.float64)[faces]
        self._mesh = TriangleMesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces))

    def closest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """points (N,3) -> triangle (N,), point on it (N,3)."""
        face, weight = self.locate(points)
        return face, (self._corners[face] * weight[..., None]).sum(axis=1)

    def locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """points (N,3) -> triangle (N,) and barycentric coordinates (N,3) of what is closest."""
        face, barycentric = self._mesh.closest_point(torch.from_numpy(points).float())
        return face.numpy(), barycentric.double().numpy()

    def sample(self, points: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values (V,C) of the vertices at what lies closest to points (N,3): (N,C)."""
        face, weight = self.locate(points)
        return (values[self._faces[face]] * weight[..., None]).sum(axis=1)


def triangles(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, ...]:
    """Centres (F,3), unit normals (F,3) and areas (F,)."""
    a, b, c = (vertices.astype(np.float64)[faces[:, corner]] for corner in range(3))
    cross = np.cross(b - a, c - a)
    length = np.linalg.norm(cross, axis=1)
    return (a + b + c) / 3, cross / np.maximum(length, 1e-20)[:, None], 0.5 * length


def _plane_step(moved: np.ndarray, pairs: _Pairs) -> tuple[np.ndarray, np.ndarray]:
    """One least-squares step: a rotation (3,3) and a shift (3,), small angles made exact."""
    solution = _least_squares(
        moved, pairs, lambda axis: np.concatenate([np.cross(moved, axis), axis], axis=1)
    )
    angle = np.linalg.norm(solution[:3])
    axis = solution[:3] / max(angle, 1e-20)
    cross = np.cross(np.eye(3), axis)  # cross @ v = axis x v
    # Rodrigues' formula.
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn, solution[3:]


def _extent(points: np.ndarray) -> float:
    """Root mean square distance of points (N,3) from their middle."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _growth(moved: np.ndarray, pairs: _Pairs) -> float:
    """The factor on the subject that, with a small motion, brings it closest to the truth."""
    solution = _least_squares(
        moved,
        pairs,
        lambda axis: np.concatenate(
            [np.cross(moved, axis), axis, (moved * axis).sum(axis=1, keepdims=True)], axis=1
        ),
    )
    return 1.0 + float(solution[-1])


def _least_squares(
    moved: np.ndarray, pairs: _Pairs, rows_along: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Unknowns (U,) that close the gaps between points (N,3) and planes, and a little the points'.

    rows_along: unit vectors (N,3) -> how far each unknown moves the points along them (N,U).
    """
    gap = pairs.truth - moved
    rows = rows_along(pairs.normal)
    system = rows.T @ (rows * pairs.weight[:, None])
    right = rows.T @ (pairs.weight * (gap * pairs.normal).sum(axis=1))
    for axis in np.eye(3):
        rows = rows_along(np.broadcast_to(axis, moved.shape))
        system += POINT_SHARE * rows.T @ (rows * pairs.weight[:, None])
        right += POINT_SHARE * rows.T @ (pairs.weight * (gap @ axis))
    return np.linalg.solve(system, right)


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(share, 0.5)])

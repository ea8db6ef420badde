# SPDX-License-Identifier: GPL-3.0-or-later
"""The template fitted to the landmarks of all photos at once: one identity, and for each photo an
expression and a pose.

Maximum a posteriori by bounded non-linear least squares, as in morphable-model fitting (Blanz and
Vetter 1999; Egger et al. 2020): landmarks with the network's uncertainty, identity coefficients
around stage 0's guess with the variance that it leaves, expression weights small and in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from idto3d.head.template import JAW, Template
from idto3d.identity.landmarks import Landmarks
from idto3d.settings import HEAD_METRES
from idto3d.texture.photo_pose import DISTANCE, FIVE_POINTS, PhotoPose, solve_pose

# What the template can't meet and two people would not mark alike, in units: along the jaw and the
# other landmarks. Measured between heads of another kind and their nearest template.
JAW_ERROR, ERROR = 0.006 / HEAD_METRES, 0.002 / HEAD_METRES
EXPRESSION_DEVIATION = 0.25  # of each ARKit weight from zero
# Residuals beyond so many deviations pull less than squared: hair over a brow, a hand.
ROBUST = 2.0
# Blendshapes that move no landmark by this much (units) are left at zero.
LEAST_MOVE = 0.001 / HEAD_METRES
# A photo whose landmarks stay farther off than this (share of the eyes' distance, root mean
# square without the contour) was not understood: its pose comes from its five points.
WORST_ERROR = 0.10
_POSE = 6  # rotation vector, logarithm of the focal length, centre


@dataclass(frozen=True)
class HeadFit:
    """What the landmarks say; N photos."""

    coefficients: np.ndarray  # (I,) float64 identity
    arkit: tuple[dict[str, float], ...]  # N expressions
    poses: tuple[PhotoPose, ...]  # N

    def understood(self) -> np.ndarray:
        """(N,) bool: photos whose landmarks the head meets."""
        return np.array([pose.error < WORST_ERROR for pose in self.poses])


@dataclass(frozen=True)
class _Model:
    """The 68 landmarks as a linear function of the coefficients."""

    mean: np.ndarray  # (68,3) units
    identity: np.ndarray  # (I,68,3)
    expression: np.ndarray  # (E,68,3)
    names: tuple[str, ...]  # E


def fit_head(
    template: Template,
    guess: np.ndarray,
    spread: np.ndarray,
    photos: Sequence[Landmarks],
) -> HeadFit:
    """Fit identity, expressions and poses to the landmarks of 1 to N photos.

    Args:
        template: gives the landmarks' mean and bases.
        guess: (I,) identity coefficients before any landmark is seen.
        spread: (I,) their standard deviation.
        photos: the landmarks of each photo.
    """
    model = _model(template)
    start = [_start(model, guess, photo) for photo in photos]
    deviation = [_deviation(p, s.focal, len(photos)) for p, s in zip(photos, start, strict=True)]
    size, moves = len(guess), len(model.names)
    blocks = [
        slice(size + row * (_POSE + moves), size + (row + 1) * (_POSE + moves))
        for row in range(len(photos))
    ]

    def residual(values: np.ndarray) -> np.ndarray:
        rows = [(values[:size] - guess) / spread]
        for block, photo, scale, pose in zip(blocks, photos, deviation, start, strict=True):
            local = values[block]
            points, _ = _project(model, values[:size], local, pose)
            rows.append(((points - photo.points) / scale[:, None]).ravel())
            rows.append(local[_POSE:] / EXPRESSION_DEVIATION)
        return np.concatenate(rows)

    def jacobian(values: np.ndarray) -> np.ndarray:
        height = size + len(photos) * (2 * len(model.mean) + moves)
        matrix = np.zeros((height, len(values)))
        matrix[:size, :size] = np.diag(1.0 / spread)
        row = size
        for block, scale, pose in zip(blocks, deviation, start, strict=True):
            _, (by_identity, by_local) = _project(model, values[:size], values[block], pose)
            end = row + 2 * len(model.mean)
            scales = np.repeat(scale, 2)[:, None]
            matrix[row:end, :size] = by_identity / scales
            matrix[row:end, block] = by_local / scales
            columns = np.arange(block.start + _POSE, block.stop)
            matrix[end + np.arange(moves), columns] = 1.0 / EXPRESSION_DEVIATION
            row = end + moves
        return matrix

    first = np.concatenate([guess, *(np.zeros(_POSE + moves) for _ in photos)])
    low, high = np.full(len(first), -np.inf), np.full(len(first), np.inf)
    for block in blocks:
        first[block.start + _POSE : block.stop] = 0.02
        low[block.start + _POSE : block.stop] = 0.0
        high[block.start + _POSE : block.stop] = 1.0
    solution = least_squares(
        residual, first, jacobian, (low, high), x_scale="jac", loss="soft_l1",
        f_scale=ROBUST, ftol=1e-4, xtol=1e-4, max_nfev=40,
    ).x  # fmt: skip
    return _result(model, solution, size, blocks, photos, start)


def _model(template: Template) -> _Model:
    marks = template.landmarks
    expression = template.expression_basis[:, marks].double().numpy()
    moving = np.abs(expression).max(axis=(1, 2)) > LEAST_MOVE
    return _Model(
        template.mean[marks].double().numpy(),
        template.identity_basis[:, marks].double().numpy(),
        expression[moving],
        tuple(n for n, moves in zip(template.expression_names, moving, strict=True) if moves),
    )


def _start(model: _Model, guess: np.ndarray, photo: Landmarks) -> PhotoPose:
    shape = model.mean + np.tensordot(guess, model.identity, 1)
    five = list(FIVE_POINTS)
    return solve_pose(shape[five], photo.points[five])


def _deviation(photo: Landmarks, focal: float, count: int) -> np.ndarray:
    """(68,) pixels: the network's error, and the template's, which all photos share.

    A shared error does not average out over `count` photos, so it counts for each of them as if it
    were independent and that much larger.
    """
    shared = np.full(len(photo.points), ERROR)
    shared[JAW] = JAW_ERROR
    return np.sqrt(photo.deviation**2 + count * (shared * focal) ** 2)


def _pose(values: np.ndarray, start: PhotoPose) -> PhotoPose:
    """values (6,): small rotation before the start's, logarithm of scale, shift in eye widths."""
    turn = Rotation.from_rotvec(values[:3]).as_matrix()
    # A unit of shift is as large in the picture as a tenth of the head's unit.
    shift = 0.1 * start.focal * values[4:6]
    return PhotoPose(
        start.rotation @ turn, start.focal * float(np.exp(values[3])), start.centre + shift, 0.0
    )


def _project(
    model: _Model, identity: np.ndarray, local: np.ndarray, start: PhotoPose
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Pixels (68,2), and their derivatives by identity (136,I) and by the photo's own (136,6+E).

    local (6+E,): pose and expression weights.
    """
    pose = _pose(local, start)
    shape = model.mean + np.tensordot(identity, model.identity, 1)
    shape = shape + np.tensordot(local[_POSE:], model.expression, 1)
    pixels = pose.project(shape)[:, :2]
    x, y, z = (shape @ pose.rotation.T).T
    scale = pose.focal / (1.0 - z / DISTANCE)
    zero = np.zeros_like(x)
    by_camera = np.stack(
        [
            np.stack([scale, zero, scale * x / (DISTANCE - z)], axis=1),
            np.stack([zero, -scale, -scale * y / (DISTANCE - z)], axis=1),
        ],
        axis=1,
    )  # (68,2,3)
    by_shape = by_camera @ pose.rotation
    by_identity = np.einsum("lab,ilb->lai", by_shape, model.identity)
    by_expression = np.einsum("lab,elb->lae", by_shape, model.expression)
    by_turn = by_shape @ -_cross(shape) @ _right_jacobian(local[:3])
    offset = (pixels - pose.centre)[:, :, None]
    by_shift = np.broadcast_to(0.1 * start.focal * np.eye(2), (len(pixels), 2, 2))
    by_local = np.concatenate([by_turn, offset, by_shift, by_expression], axis=2)
    count = 2 * len(pixels)
    return pixels, (by_identity.reshape(count, -1), by_local.reshape(count, -1))


def _cross(vectors: np.ndarray) -> np.ndarray:
    """(...,3) to the matrices (...,3,3) that take the cross product with them."""
    return np.cross(vectors[..., None, :], np.eye(3)).swapaxes(-1, -2)


def _right_jacobian(turn: np.ndarray) -> np.ndarray:
    """(3,3): how a rotation vector's change turns after it (Sola et al. 2018, eq. 143)."""
    angle = float(np.linalg.norm(turn))
    cross = _cross(turn)
    if angle < 1e-6:
        return np.eye(3) - 0.5 * cross
    first = (1 - np.cos(angle)) / angle**2
    second = (angle - np.sin(angle)) / angle**3
    return np.eye(3) - first * cross + second * cross @ cross


def _result(
    model: _Model,
    solution: np.ndarray,
    size: int,
    blocks: Sequence[slice],
    photos: Sequence[Landmarks],
    start: Sequence[PhotoPose],
) -> HeadFit:
    poses, arkit = [], []
    for block, photo, first in zip(blocks, photos, start, strict=True):
        local = solution[block]
        points, _ = _project(model, solution[:size], local, first)
        off = ((points - photo.points)[JAW.stop :] ** 2).sum(axis=1).mean()
        eyes = np.linalg.norm(photo.points[FIVE_POINTS[0]] - photo.points[FIVE_POINTS[2]])
        poses.append(replace(_pose(local, first), error=float(np.sqrt(off) / eyes)))
        arkit.append(dict(zip(model.names, local[_POSE:].tolist(), strict=True)))
    return HeadFit(solution[:size], tuple(arkit), tuple(poses))

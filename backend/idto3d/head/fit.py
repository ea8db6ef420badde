# SPDX-License-Identifier: GPL-3.0-or-later
"""The template fitted to the landmarks of all photos at once: one identity, and for each photo an
expression and a pose.

Maximum a posteriori, as in morphable-model fitting (Blanz and Vetter 1999; Egger et al. 2020):
landmarks with the network's uncertainty, identity coefficients around stage 0's guess with the
variance that it leaves, expression weights small and in [0, 1].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from idto3d.head.photo_pose import DISTANCE, FIVE_POINTS, PhotoPose, solve_pose
from idto3d.head.template import JAW, Template
from idto3d.identity.landmarks import Landmarks
from idto3d.settings import HEAD_METRES

# What the template can't meet and two people would not mark alike, in units: along the jaw and the
# other landmarks.
JAW_ERROR, ERROR = 0.008 / HEAD_METRES, 0.003 / HEAD_METRES
# The guess is held tighter than its spread, by this factor: landmarks err together, which one
# variance a point doesn't tell. With 1, and 6 and 2 mm above, 5 of 13 held-out people ended farther
# from the truth, by up to 0.14 mm; so it is 4, by at most 0.02 mm.
CAUTION = 0.6
# Share of the network's squared error that is the same in all photos of a person (measured).
REPEATED = 0.4
# Of each ARKit weight from zero; people smile at cameras.
EXPRESSION_DEVIATION, SMILE_DEVIATION = 0.35, 0.8
SMILES = ("mouthSmileLeft", "mouthSmileRight")
# Residuals beyond so many deviations pull less than squared: hair over a brow, a hand.
ROBUST = 2.0
# Blendshapes that move no landmark by this much (units) are left at zero.
LEAST_MOVE = 0.001 / HEAD_METRES
# A photo whose landmarks stay farther off than this (share of the eyes' distance, root mean square
# without the contour) was not understood.
WORST_ERROR = 0.10
KNOWN = 1e-3  # spread of the coefficients of a head whose shape is known
STEPS, TOLERANCE = 60, 1e-4  # of the search: at most so many, and the share gained by the last
_POSE = 6  # rotation vector, logarithm of the focal length, centre


@dataclass(frozen=True)
class PhotoFit:
    """How the head lies in one photo."""

    pose: PhotoPose
    arkit: dict[str, float]  # expression weights in [0, 1]; those of {} are zero
    understood: bool  # False: the pose comes from five points, the expression is not known


@dataclass(frozen=True)
class HeadFit:
    """What the landmarks of N photos say."""

    coefficients: np.ndarray  # (I,) float64 identity
    photos: tuple[PhotoFit, ...]  # N, in the order given


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
    five_points: Sequence[np.ndarray],
) -> HeadFit:
    """Fit identity, expressions and poses to 1 to N photos; deterministic.

    Photos that the head can't meet are left out of a second fit, and placed by their five points.

    Args:
        template: gives the landmarks' mean and bases.
        guess: (I,) identity coefficients before any landmark is seen.
        spread: (I,) their standard deviation.
        photos: the landmarks of each photo.
        five_points: (5,2) pixels of each photo, as the detector finds them.
    """
    model, spread = _model(template), CAUTION * spread
    coefficients, found = _fit(model, guess, spread, photos)
    if not all(each.understood for each in found):
        kept = [row for row, each in enumerate(found) if each.understood]
        coefficients = guess
        good: tuple[PhotoFit, ...] = ()
        if kept:
            coefficients, good = _fit(model, guess, spread, [photos[row] for row in kept])
        shape = _shape(model, coefficients)[list(FIVE_POINTS)]
        found = tuple(PhotoFit(solve_pose(shape, np.asarray(p)), {}, False) for p in five_points)
        better: dict[int, PhotoFit] = dict(zip(kept, good, strict=True))
        found = tuple(better.get(row, each) for row, each in enumerate(found))
    return HeadFit(coefficients, found)


def fit_photos(
    template: Template,
    coefficients: torch.Tensor,
    photos: Sequence[Landmarks],
    five_points: Sequence[np.ndarray],
) -> tuple[PhotoFit, ...]:
    """Pose and expression of a known head in each photo; arguments as of `fit_head`."""
    known = coefficients.double().numpy()
    return fit_head(template, known, np.full(len(known), KNOWN), photos, five_points).photos


def _fit(
    model: _Model, guess: np.ndarray, spread: np.ndarray, photos: Sequence[Landmarks]
) -> tuple[np.ndarray, tuple[PhotoFit, ...]]:
    """Coefficients (I,) and the N photos; `understood` tells which of them are of use."""
    start = [_start(model, guess, photo) for photo in photos]
    deviation = [_deviation(p, s.focal, len(photos)) for p, s in zip(photos, start, strict=True)]
    size, moves = len(guess), len(model.names)
    usual = np.where(np.isin(model.names, SMILES), SMILE_DEVIATION, EXPRESSION_DEVIATION)
    blocks = [
        slice(size + row * (_POSE + moves), size + (row + 1) * (_POSE + moves))
        for row in range(len(photos))
    ]

    def energy(values: np.ndarray) -> _Energy:
        identity, off = values[:size], (values[:size] - guess) / spread
        cost = off @ off
        gradient, curvature = np.zeros(len(values)), np.zeros((len(values), len(values)))
        gradient[:size] = off / spread
        np.fill_diagonal(curvature[:size, :size], spread**-2.0)
        for block, photo, scale, pose in zip(blocks, photos, deviation, start, strict=True):
            local = values[block]
            points, derivatives = _project(model, identity, local, pose)
            by_identity, by_local = (d / np.repeat(scale, 2)[:, None] for d in derivatives)
            off = (points - photo.points) / scale[:, None]
            square = (off**2).sum(axis=1) / ROBUST**2
            cost += 2 * ROBUST**2 * (np.sqrt(1 + square) - 1).sum()
            weight = np.repeat(1 / np.sqrt(1 + square), 2)
            gradient[:size] += by_identity.T @ (weight * off.ravel())
            gradient[block] += by_local.T @ (weight * off.ravel())
            curvature[:size, :size] += by_identity.T @ (weight[:, None] * by_identity)
            both = by_identity.T @ (weight[:, None] * by_local)
            curvature[:size, block], curvature[block, :size] = both, both.T
            curvature[block, block] = by_local.T @ (weight[:, None] * by_local)
            weights = slice(block.start + _POSE, block.stop)
            cost += ((local[_POSE:] / usual) ** 2).sum()
            gradient[weights] += local[_POSE:] / usual**2
            curvature[weights, weights] += np.diag(usual**-2.0)
        return _Energy(float(cost), gradient, curvature)

    first = np.concatenate([guess, *(np.zeros(_POSE + moves) for _ in photos)])
    low, high = np.full(len(first), -np.inf), np.full(len(first), np.inf)
    for block in blocks:
        low[block.start + _POSE : block.stop] = 0.0
        high[block.start + _POSE : block.stop] = 1.0
    solution = _minimise(energy, first, low, high)
    found = [
        _photo_fit(model, solution[:size], solution[block], photo, pose)
        for block, photo, pose in zip(blocks, photos, start, strict=True)
    ]
    return solution[:size], tuple(found)


@dataclass(frozen=True)
class _Energy:
    """Twice the negative logarithm of the posterior, with half of its derivatives; P parameters.

    A landmark whose squared distance is s deviations counts 2 c² (√(1 + s / c²) − 1) with c =
    ROBUST; the curvature is that of the parabola above it (iteratively reweighted least squares).
    """

    cost: float
    gradient: np.ndarray  # (P,)
    curvature: np.ndarray  # (P,P)


def _minimise(
    energy: Callable[[np.ndarray], _Energy], values: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Levenberg and Marquardt's method between bounds (P,); parameters that press against their
    bound rest (Bertsekas 1982, projected Newton methods)."""
    now, damping = energy(values), 1e-3
    for _ in range(STEPS):
        pressing = ((values <= low) & (now.gradient > 0)) | ((values >= high) & (now.gradient < 0))
        free = np.flatnonzero(~pressing)
        system = now.curvature[np.ix_(free, free)]
        system[np.diag_indices(len(free))] *= 1 + damping
        trial = values.copy()
        trial[free] -= np.linalg.solve(system, now.gradient[free])
        trial = np.clip(trial, low, high)
        then = energy(trial)
        if then.cost >= now.cost:
            damping *= 8.0
            continue
        gained = now.cost - then.cost
        values, now, damping = trial, then, 0.2 * damping
        if gained < TOLERANCE * now.cost:
            break
    return values


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


def _shape(model: _Model, identity: np.ndarray) -> np.ndarray:
    """(68,3) of the neutral face."""
    return model.mean + np.tensordot(identity, model.identity, 1)


def _start(model: _Model, guess: np.ndarray, photo: Landmarks) -> PhotoPose:
    five = list(FIVE_POINTS)
    return solve_pose(_shape(model, guess)[five], photo.points[five])


def _deviation(photo: Landmarks, focal: float, count: int) -> np.ndarray:
    """(68,) pixels: the network's error, and the template's, which all photos share.

    A shared error does not average out over `count` photos, so its variance counts that many times
    for each of them.
    """
    shared = np.full(len(photo.points), ERROR)
    shared[JAW] = JAW_ERROR
    network = photo.deviation**2 * (1 + REPEATED * (count - 1))
    return np.sqrt(network + count * (shared * focal) ** 2)


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
    shape = _shape(model, identity) + np.tensordot(local[_POSE:], model.expression, 1)
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


def _photo_fit(
    model: _Model, identity: np.ndarray, local: np.ndarray, photo: Landmarks, start: PhotoPose
) -> PhotoFit:
    points, _ = _project(model, identity, local, start)
    pose = _pose(local, start)
    inner = slice(JAW.stop, None)
    off = np.sqrt(((points - photo.points)[inner] ** 2).sum(axis=1).mean())
    marks = _shape(model, identity)
    # In the head's own size, as a turned head's eyes are close together in the picture.
    eyes = np.linalg.norm(marks[FIVE_POINTS[0]] - marks[FIVE_POINTS[2]])
    error = float(off / (pose.focal * eyes))
    arkit = dict(zip(model.names, local[_POSE:].tolist(), strict=True))
    return PhotoFit(replace(pose, error=error), arkit, error < WORST_ERROR)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Is it the expression that was asked for? The nearest of the whole vocabulary, in two ways.

What is compared is the change from the neutral face, against the change that each expression of
the vocabulary makes on a reference head (the true one, where there is one):

- by landmarks: the displacement of 68 points, the nearest in distance;
- by normals: how the surface turns at points all over the face, which also sees what lies between
  the landmarks. Points of two faces are brought together by a thin-plate spline through their
  landmarks (Bookstein 1989); the nearest in angle, or neutral where hardly anything changes.

The generator begins with the template's own displacements, so a right answer says that the
optimisation has kept them, and on a reference with another rig (ICT) that they mean the same there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator

from idto3d.evaluation.geometry import Surface
from idto3d.render.normals import vertex_normals

STILL = 0.25  # of the vocabulary's median change: less is no expression


@dataclass(frozen=True)
class Features:
    """The change of K expressions from the neutral face."""

    landmarks: np.ndarray  # (K,68*3) units
    normals: np.ndarray  # (K,N*3) of unit normals at N points


@dataclass(frozen=True)
class Recognised:
    """One expression of one head."""

    asked: str
    by_landmarks: str  # the vocabulary's nearest
    by_normals: str
    strength: float  # of the asked landmark displacement, 1 as strong as the reference's


@dataclass(frozen=True)
class Reference:
    """The face whose points expressions are compared at."""

    points: np.ndarray  # (N,3) on the neutral face
    marks: np.ndarray  # (68,3) its landmarks


def features(
    neutral: np.ndarray, posed: Sequence[np.ndarray], faces: np.ndarray, landmarks: np.ndarray,
    reference: Reference,
) -> Features:  # fmt: skip
    """Of a head (V,3), its K expressions (V,3), faces (F,3), landmarks (68,) vertex indices."""
    marks = neutral[landmarks]
    # Several landmarks may share a vertex: the spline then needs some slack.
    spline = RBFInterpolator(marks, reference.marks, kernel="thin_plate_spline", smoothing=1e-6)
    surface = Surface(spline(neutral.astype(np.float64)), faces)
    triangles = torch.from_numpy(faces)

    def normals(shape: np.ndarray) -> np.ndarray:
        return vertex_normals(torch.from_numpy(shape.astype(np.float32)), triangles).numpy()

    before = normals(neutral)
    turned = [surface.sample(reference.points, normals(shape) - before).ravel() for shape in posed]
    moved = [(shape[landmarks] - marks).ravel() for shape in posed]
    return Features(np.stack(moved), np.stack(turned))


def recognise(
    asked: Sequence[str], found: Features, vocabulary: Sequence[str], reference: Features
) -> list[Recognised]:
    """Each of the K asked expressions; `reference` has one row for each of the vocabulary."""
    by_landmarks = nearest(found.landmarks, reference.landmarks)
    by_normals = nearest_direction(found.normals, reference.normals)
    rows = []
    for index, name in enumerate(asked):
        wanted = reference.landmarks[vocabulary.index(name)]
        size = float(wanted @ wanted)
        strength = float(found.landmarks[index] @ wanted) / size if size > 0 else 1.0
        rows.append(
            Recognised(
                name, vocabulary[by_landmarks[index]], vocabulary[by_normals[index]], strength
            )
        )
    return rows


def nearest(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(K,) the row of `reference` (M,D) at the least distance from each row of `found` (K,D)."""
    gaps = [np.linalg.norm(reference - row, axis=1) for row in found]
    return np.array([gap.argmin() for gap in gaps], dtype=np.int64)


def nearest_direction(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(K,) the row of `reference` (M,D) at the least angle; of a short row the shortest."""
    lengths = np.linalg.norm(reference, axis=1)
    cosines = found @ (reference / np.maximum(lengths, 1e-12)[:, None]).T
    short = np.linalg.norm(found, axis=1) < STILL * np.median(lengths[lengths > 0])
    return np.where(short, lengths.argmin(), cosines.argmax(axis=1))

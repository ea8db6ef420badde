# SPDX-License-Identifier: GPL-3.0-or-later
"""The distance between faces: known answers on the template's own head."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.evaluation.geometry import (
    MILLIMETRES,
    TrueFace,
    face_vertices,
    seen_faces,
)
from idto3d.head.template import PARTS, load_template
from idto3d.render.normals import vertex_normals

TEMPLATE = load_template(ASSETS / "template" / "head.npz").subdivided()
MEAN, FACES = TEMPLATE.mean.numpy(), TEMPLATE.faces.numpy()
PART, LANDMARKS = TEMPLATE.part.numpy(), TEMPLATE.landmarks.numpy()
SKIN = PARTS.index("skin") == PART
NORMALS = vertex_normals(TEMPLATE.mean, TEMPLATE.faces).numpy()


@pytest.fixture(scope="module")
def truth() -> TrueFace:
    return TrueFace(MEAN, FACES, SKIN, LANDMARKS)


def turned(points: np.ndarray, degrees: float, shift: float) -> np.ndarray:
    rotation = Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0.7, -0.4])).as_matrix()
    return (points @ rotation.T + shift * np.array([1.0, -0.5, 0.8])).astype(np.float32)


def test_the_same_face_elsewhere_is_no_distance_away(truth: TrueFace) -> None:
    found = truth.distance(turned(MEAN, 20.0, 0.1), FACES, LANDMARKS)
    assert found.mean < 0.001


def test_wrong_landmarks_are_made_good_by_the_surface(truth: TrueFace) -> None:
    """Landmarks start the alignment, the surface ends it: these are all 7 mm too high."""
    start = TEMPLATE.landmarks.numpy().copy()
    gaps = np.linalg.norm(MEAN[:, None] - (MEAN[start] + [0.0, 0.02, 0.0])[None], axis=-1)
    found = truth.distance(MEAN, FACES, gaps.argmin(axis=0))
    assert found.mean < 0.02


def test_known_dents(truth: TrueFace) -> None:
    """Waves half a millimetre high, too many to be aligned away: mean |sin sin| is 4 / pi^2."""
    wave = np.sin(MEAN[:, 0] * 2 * np.pi / 0.06) * np.sin(MEAN[:, 1] * 2 * np.pi / 0.06)
    dented = MEAN + NORMALS * (0.5 * wave / MILLIMETRES)[:, None]
    found = truth.distance(turned(dented, 10.0, 0.05), FACES, LANDMARKS)
    for mean in (found.mean, found.to_subject, found.to_truth):
        assert mean == pytest.approx(0.5 * 4 / np.pi**2, rel=0.15)
    assert found.median < found.mean


def test_size_is_not_aligned_away(truth: TrueFace) -> None:
    assert truth.distance((1.04 * MEAN).astype(np.float32), FACES, LANDMARKS).mean > 0.5


def test_only_the_face_counts(truth: TrueFace) -> None:
    """A skull that grows backwards and a longer neck change nothing."""
    ears = MEAN[LANDMARKS[[0, 16]], 2].mean()
    other = MEAN.copy()
    back = other[:, 2] < ears - 0.03
    other[back, 2] = ears - 0.03 + 1.5 * (other[back, 2] - ears + 0.03)
    below = other[:, 1] < MEAN[LANDMARKS[8], 1] - 0.06
    other[below, 1] -= 0.05
    assert truth.distance(other, FACES, LANDMARKS).mean < 0.05


def test_hair_over_covered_skin_does_not_count() -> None:
    fringe = (MEAN[:, 1] > MEAN[LANDMARKS[24], 1] + 0.05) & (MEAN[:, 2] > 0.1)
    covered = TrueFace(MEAN, FACES, SKIN & ~fringe, LANDMARKS)
    hairy = (MEAN + NORMALS * fringe[:, None] * 8.0 / MILLIMETRES).astype(np.float32)
    assert covered.distance(hairy, FACES, LANDMARKS).mean < 0.05
    bald = TrueFace(MEAN, FACES, SKIN, LANDMARKS)
    assert bald.distance(hairy, FACES, LANDMARKS).mean > 0.3


def test_the_face_is_skin_between_ears_chin_and_hair() -> None:
    chosen = face_vertices(MEAN, SKIN, LANDMARKS)
    assert SKIN[chosen].all() and not face_vertices(MEAN, ~SKIN, LANDMARKS)[SKIN].any()
    assert chosen[LANDMARKS[30]] and chosen[LANDMARKS[48]] and chosen[LANDMARKS[19]]
    assert not chosen[MEAN[:, 1].argmax()]  # crown
    assert not chosen[np.abs(MEAN[:, 0] * (MEAN[:, 1] > -0.1)).argmax()]  # ear
    assert not chosen[MEAN[:, 1].argmin()]  # neck


def test_what_the_mouth_hides_is_not_seen() -> None:
    seen = seen_faces(MEAN, FACES)
    tongue = (PARTS.index("tongue") == PART)[FACES].all(axis=1)
    eyes = (PARTS.index("left eye") <= PART)[FACES].all(axis=1)
    assert tongue.any() and seen[tongue].mean() < 0.05  # its tip, between the lips
    assert seen[eyes].any() and not seen[eyes].all()
    nose = (LANDMARKS[30] == FACES).any(axis=1)
    assert seen[nose].all()


def test_another_shape_is_farther_the_more_it_differs(truth: TrueFace) -> None:
    weights = torch.from_numpy(np.random.default_rng(2).normal(size=64).astype(np.float32))
    distances = [
        truth.distance(TEMPLATE.neutral(amount * weights).numpy(), FACES, LANDMARKS).mean
        for amount in (0.5, 1.5)
    ]
    assert 0.05 < 2 * distances[0] < distances[1]


def test_apart_from_size_a_larger_twin_is_the_same(truth: TrueFace) -> None:
    for factor in (0.92, 1.05):
        found = truth.apart_from_size(turned(factor * MEAN, 8.0, 0.05), FACES, LANDMARKS)
        assert found.mean < 0.01
    wider = MEAN * np.array([1.05, 1.0, 1.0], np.float32)
    free, fixed = (f(wider, FACES, LANDMARKS) for f in (truth.apart_from_size, truth.distance))
    assert 0.2 < free.mean < fixed.mean

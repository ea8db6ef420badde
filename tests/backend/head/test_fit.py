# SPDX-License-Identifier: GPL-3.0-or-later
"""The template fitted to landmarks that a known head casts through known cameras."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.head import fit
from idto3d.head.fit import HeadFit, fit_head
from idto3d.head.photo_pose import FIVE_POINTS, PhotoPose, solve_pose
from idto3d.head.template import Template, load_template
from idto3d.identity.landmarks import Landmarks

FOCAL = 400.0
SMILE = {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}
OPEN = {"jawOpen": 0.6}


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="module")
def person(template: Template) -> np.ndarray:
    """(I,) identity coefficients of somebody."""
    return np.random.default_rng(4).normal(size=len(template.identity_basis))


def pose_of(yaw: float, pitch: float = 0.0) -> PhotoPose:
    turn = Rotation.from_euler("yx", [yaw, pitch], degrees=True).as_matrix()
    return PhotoPose(turn, FOCAL, np.array([200.0, 190.0]), 0.0)


def shot(
    template: Template,
    person: np.ndarray,
    pose: PhotoPose,
    arkit: dict[str, float],
    deviation: float = 0.3,
) -> Landmarks:
    shape = template.mean.double().numpy()
    shape = shape + np.tensordot(person, template.identity_basis.double().numpy(), 1)
    shape = shape + template.expression(arkit).double().numpy()
    points = pose.project(shape[template.landmarks.numpy()])[:, :2]
    return Landmarks(points, np.full(68, deviation))


def fitted(template: Template, photos: list[Landmarks], guess: float = 0.0) -> HeadFit:
    size = len(template.identity_basis)
    five = [photo.points[list(FIVE_POINTS)] for photo in photos]
    return fit_head(template, np.full(size, guess), np.ones(size), photos, five)


def degrees_between(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(one @ other.T).magnitude()))


def distance(template: Template, one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance in units of the inner landmarks of two identities, without their shift."""
    basis = template.identity_basis[:, template.landmarks[17:]].double().numpy()
    offset = np.tensordot(one - other, basis, 1)
    return float(np.linalg.norm(offset - offset.mean(axis=0), axis=1).mean())


def test_derivatives(template: Template, person: np.ndarray) -> None:
    """Of every parameter, against central differences."""
    random = np.random.default_rng(0)
    model = fit._model(template)
    start = pose_of(20, -5)
    local = np.concatenate([0.2 * random.normal(size=6), random.uniform(0, 0.5, len(model.names))])
    _, (by_identity, by_local) = fit._project(model, person, local, start)
    step = 1e-5
    for values, exact, which in ((person, by_identity, 0), (local, by_local, 1)):
        for index in range(len(values)):
            ends = []
            for sign in (1, -1):
                moved = values.copy()
                moved[index] += sign * step
                arguments = (moved, local) if which == 0 else (person, moved)
                ends.append(fit._project(model, *arguments, start)[0].ravel())
            measured = (ends[0] - ends[1]) / (2 * step)
            assert np.abs(measured - exact[:, index]).max() < 1e-5 * FOCAL


def test_poses_expressions_and_shape_of_a_known_head(
    template: Template, person: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The landmarks here are exact, and so is the template.
    monkeypatch.setattr(fit, "ERROR", 1e-4)
    monkeypatch.setattr(fit, "JAW_ERROR", 1e-4)
    poses = [pose_of(0), pose_of(30, 8), pose_of(-28, -6)]
    shown = [{}, SMILE, OPEN]
    photos = [shot(template, person, pose, arkit) for pose, arkit in zip(poses, shown, strict=True)]
    found = fitted(template, photos)
    before = distance(template, np.zeros_like(person), person)
    assert distance(template, found.coefficients, person) < 0.25 * before
    for each, pose in zip(found.photos, poses, strict=True):
        assert each.understood and each.pose.error < 0.01
        assert degrees_between(each.pose.rotation, pose.rotation) < 2.5
    smiles = [each.arkit["mouthSmileLeft"] + each.arkit["mouthSmileRight"] for each in found.photos]
    opened = [each.arkit["jawOpen"] for each in found.photos]
    assert smiles[1] > 0.7 > 3 * max(smiles[0], smiles[2])
    assert opened[2] > 0.35 > 3 * max(opened[0], opened[1])
    assert all(0 <= value <= 1 for each in found.photos for value in each.arkit.values())


def test_the_same_photos_give_the_same_head(template: Template, person: np.ndarray) -> None:
    photos = [shot(template, person, pose_of(15), SMILE)]
    one, two = fitted(template, photos), fitted(template, photos)
    assert np.array_equal(one.coefficients, two.coefficients)
    assert np.array_equal(one.photos[0].pose.rotation, two.photos[0].pose.rotation)


def test_unsure_landmarks_leave_the_guess(template: Template, person: np.ndarray) -> None:
    sure = fitted(template, [shot(template, person, pose_of(0), {})], guess=0.3)
    unsure = fitted(template, [shot(template, person, pose_of(0), {}, deviation=300.0)], guess=0.3)
    assert np.abs(unsure.coefficients - 0.3).max() < 0.05
    assert np.abs(sure.coefficients - 0.3).max() > 0.2


def test_more_photos_say_more(template: Template) -> None:
    random = np.random.default_rng(1)
    left: list[list[float]] = []
    for _ in range(3):
        person = random.normal(size=len(template.identity_basis))
        photos = []
        for yaw in (0, -25, 25, -12, 12):
            exact = shot(template, person, pose_of(yaw), {}, 4.0)
            noise = random.normal(0, 4.0, (68, 2))
            photos.append(Landmarks(exact.points + noise, exact.deviation))
        found = [np.zeros_like(person)]
        found += [fitted(template, photos[:count]).coefficients for count in (1, 5)]
        left.append([distance(template, each, person) for each in found])
    nothing, one, five = np.mean(left, axis=0)
    assert five < one < 0.8 * nothing


def test_a_photo_that_is_not_understood_counts_for_nothing(
    template: Template, person: np.ndarray
) -> None:
    good = [shot(template, person, pose_of(yaw), {}) for yaw in (0, 20)]
    scattered = np.random.default_rng(2).uniform(0, 400, (68, 2))
    bad = Landmarks(scattered, np.full(68, 0.3))
    size = len(template.identity_basis)
    five = [photo.points[list(FIVE_POINTS)] for photo in good]
    five = [five[0], shot(template, person, pose_of(-10), {}).points[list(FIVE_POINTS)], five[1]]
    found = fit_head(template, np.zeros(size), np.ones(size), [good[0], bad, good[1]], five)
    assert [each.understood for each in found.photos] == [True, False, True]
    assert np.array_equal(found.coefficients, fitted(template, good).coefficients)
    # It lies where its five points want it, with no expression.
    assert found.photos[1].arkit == {}
    head = template.mean.double().numpy()
    head = head + np.tensordot(found.coefficients, template.identity_basis.double().numpy(), 1)
    expected = solve_pose(head[template.landmarks[list(FIVE_POINTS)].numpy()], five[1])
    assert degrees_between(found.photos[1].pose.rotation, expected.rotation) < 0.1
    nothing = fit_head(template, np.full(size, 0.2), np.ones(size), [bad], [five[1]])
    assert np.array_equal(nothing.coefficients, np.full(size, 0.2))
    assert not nothing.photos[0].understood


def test_a_known_head_is_only_laid_on_its_photos(template: Template, person: np.ndarray) -> None:
    poses = [pose_of(-25), pose_of(10, 5)]
    shots = [shot(template, person, pose, SMILE) for pose in poses]
    five = [photo.points[list(FIVE_POINTS)] for photo in shots]
    known = torch.from_numpy(person).float()
    for pose, found in zip(poses, fit.fit_photos(template, known, shots, five), strict=True):
        assert found.understood
        assert degrees_between(pose.rotation, found.pose.rotation) < 3.0
        assert found.pose.focal == pytest.approx(FOCAL, rel=0.03)
        assert found.arkit["mouthSmileLeft"] == pytest.approx(0.7, abs=0.25)

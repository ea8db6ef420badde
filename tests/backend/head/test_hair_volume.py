# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair as thick as outlines say: a head whose hair is known, seen from several sides."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.head.hair_volume import THICKEST, growing_directions, hair_volume, outline_error
from idto3d.head.photo_pose import PhotoPose
from idto3d.head.photo_view import head_and_face, normals_seen
from idto3d.head.regions import ear_centre, face_centimetre, hair_mask
from idto3d.head.template import Template, load_template
from idto3d.identity.intrinsic_images import SIZE, IntrinsicImages
from idto3d.render.normals import vertex_normals
from idto3d.settings import HEAD_METRES

CM = 0.01 / HEAD_METRES


@cache
def head() -> tuple[Template, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Template, positions, normals, where hair grows, what of it is above the ears."""
    template = load_template(ASSETS / "template" / "head.npz")
    positions = template.mean.double().numpy()
    marks = positions[template.landmarks.numpy()]
    free = hair_mask(positions, marks) * (template.part.numpy() == 0)
    # Ears stay free.
    away = np.linalg.norm(positions[:, 1:] - ear_centre(marks), axis=1)
    free = free * (away > 4 * face_centimetre(marks))
    normals = vertex_normals(template.mean, template.faces).double().numpy()
    return template, positions, normals, free, positions[:, 1] > ear_centre(marks)[0]


def photo(yaw: float, thickness: float, gap: bool = False):  # type: ignore[no-untyped-def]
    """A view of the head whose hair is `thickness` (units) thick, as the network would see it."""
    template, positions, normals, free, _ = head()
    turn = Rotation.from_euler("y", yaw, degrees=True).as_matrix()
    pose = PhotoPose(turn, 300.0, np.zeros(2), 0.0)
    square = head_and_face(pose)[0]
    grown = positions + thickness * free[:, None] * normals
    normal = normals_seen(pose, grown, template.faces, square, SIZE)
    on_head = (np.linalg.norm(normal, axis=-1) > 0.5).astype(np.float32)
    if gap:  # a dark parting that the network takes for background
        on_head[:, 38:40] = 0.0
    variance = np.full((SIZE, SIZE), 0.01, np.float32)
    return (
        pose,
        np.zeros_like(positions),
        IntrinsicImages(square, normal, variance, normal, on_head),
    )


def grown(photos: list, usual: float = 0.8 * CM) -> np.ndarray:  # type: ignore[type-arg]
    template, positions, _, free, clear = head()
    volume = usual * free
    return hair_volume(positions, template.faces, volume, free, clear, behind(), photos)


def behind() -> np.ndarray:
    template, positions, *_ = head()
    return positions[:, 2] < positions[template.landmarks.numpy()[[0, 16]], 2].mean()


@pytest.mark.parametrize("thickness", [0.3 * CM, 3.0 * CM])
def test_hair_is_as_thick_as_the_outlines_say(thickness: float) -> None:
    offset = grown([photo(yaw, thickness) for yaw in (-40, 0, 40)])
    _, positions, normals, free, clear = head()
    # The top and the sides, well inside of the hair.
    shown = clear & (free > 0.99) & (normals[:, 2] > -0.3) & (offset > 0)
    crown = shown & (positions[:, 1] > np.quantile(positions[shown, 1], 0.6))
    assert np.median(offset[crown]) == pytest.approx(thickness, abs=0.35 * CM)
    assert offset.max() < thickness + 1.2 * CM
    # Nothing grows where no hair is.
    assert np.abs(offset[free == 0]).max() == 0


def test_a_gap_between_curls_is_no_outline() -> None:
    whole, parted = (grown([photo(0, 3 * CM, gap)]) for gap in (False, True))
    assert np.abs(whole - parted).max() < 0.6 * CM


def test_without_photos_hair_is_usual() -> None:
    free = head()[3]
    assert np.array_equal(grown([]), 0.8 * CM * free)


def test_hair_that_has_no_end_is_not_believed() -> None:
    """All is head in the picture: the person fills it, or the network is lost."""
    pose, still, image = photo(0, CM)
    endless = IntrinsicImages(
        image.square, image.normal, image.variance, image.albedo, np.ones_like(image.on_head)
    )
    offset = grown([(pose, still, endless)])
    assert offset.max() <= THICKEST
    _, positions, normals, free, clear = head()
    middle = positions[free > 0.5].mean(axis=0)
    vertices, _ = outline_error(pose, positions, middle, normals, endless, clear & (free > 0.5))
    assert len(vertices) == 0
    assert np.median(offset[(free > 0.99) & clear]) < 1.2 * CM


def test_a_bald_head_stays_bald() -> None:
    template, positions, _, free, clear = head()
    nothing = np.zeros_like(free)
    seen = [photo(0, 2 * CM)]
    found = hair_volume(positions, template.faces, nothing, nothing, clear, behind(), seen)
    assert np.array_equal(found, nothing)


def test_hair_lies_on_at_the_nape_and_does_not_fold() -> None:
    """However thick it is on top: below the ears no outline is asked, and skin must not cross."""
    template, positions, _, free, clear = head()
    offset = grown([photo(yaw, 4 * CM) for yaw in (-40, 0, 40)])
    assert np.median(offset[(free > 0.99) & clear & (positions[:, 2] < 0)]) > 2.5 * CM
    low = (free > 0.5) & (positions[:, 1] < np.quantile(positions[free > 0.5, 1], 0.1))
    assert offset[low].max() < 1.5 * CM
    directions = growing_directions(template.faces.numpy(), positions)
    before, after = (
        face_normals(shape, template.faces.numpy())
        for shape in (positions, positions + offset[:, None] * directions)
    )
    hairy = (free > 0.05)[template.faces.numpy()].all(axis=1)
    assert ((before * after).sum(axis=1)[hairy] < 0).mean() < 0.002


def face_normals(shape: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (shape[faces[:, corner]] for corner in range(3))
    cross = np.cross(b - a, c - a)
    return cross / np.linalg.norm(cross, axis=1, keepdims=True)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours from photographs: pictures rendered of a head whose colours are known."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.head.photo_pose import FIVE_POINTS, solve_pose
from idto3d.head.regions import SKIN, ear_centre
from idto3d.head.template import EYE_RIGHT
from idto3d.texture.first_colours import (
    lay,
)
from idto3d.texture.layers import Places, to_linear
from idto3d.texture.shots import Seen, see
from tests.backend.texture.sitter import LOOK, Sitter, make_sitter


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    return make_sitter()


def side_light(sitter: Sitter) -> np.ndarray:
    """Light from the person's left, four times as bright there as on the right."""
    return 0.25 + 0.75 * (0.5 + 0.5 * sitter.normals[:, 0])


def test_photo_gives_its_colours_back(sitter: Sitter) -> None:
    found = sitter.colours(sitter.photo(0))
    seen = found.seen > 0.6
    assert 0.1 < seen.mean() < 0.6
    assert np.abs(found.albedo - sitter.albedo)[seen].mean() < 0.04
    mark = sitter.birthmark & seen
    assert mark.sum() > 20
    miss = np.abs(found.albedo - sitter.albedo)[mark].mean()
    assert miss < 0.08 < 0.5 * np.abs(sitter.albedo[mark] - LOOK.skin).mean()


def test_unseen_parts_keep_their_paint(sitter: Sitter) -> None:
    front_only = sitter.colours(sitter.photo(0))
    back = sitter.normals[:, 2] < -0.2
    assert front_only.seen[back].max() == 0
    # The paint's hair has the colour that the photo shows.
    crown = (sitter.positions[:, 1] > sitter.marks[24, 1] + 0.2) & back
    assert crown.sum() > 10
    assert np.abs(front_only.albedo[crown].mean(axis=0) - LOOK.hair).max() < 0.08
    # Eyeballs and the tongue are never taken from a photo.
    assert front_only.seen[sitter.part != SKIN].max() == 0
    lid = sitter.template.landmarks[EYE_RIGHT].numpy()
    assert front_only.seen[lid].max() < 0.3


def test_more_photos_show_more(sitter: Sitter) -> None:
    one = sitter.colours(sitter.photo(0))
    three = sitter.colours(sitter.photo(0), sitter.photo(50), sitter.photo(-50))
    ear = np.abs(sitter.positions[:, 0]) > 0.2
    assert three.seen[ear].mean() > 2 * one.seen[ear].mean()
    seen = three.seen > 0.6
    assert seen.mean() > 1.2 * (one.seen > 0.6).mean()
    assert np.abs(three.albedo - sitter.albedo)[seen].mean() < 0.05


def test_photos_that_disagree_are_trusted_less(sitter: Sitter) -> None:
    photo, points = sitter.photo(0)
    green = (photo * np.array([0.4, 1.0, 0.4])).astype(np.uint8)
    alike, unlike = (
        sitter.colours((photo, points)),
        sitter.colours((photo, points), (green, points)),
    )
    skin = alike.seen > 0.6
    assert unlike.seen[skin].mean() < alike.seen[skin].mean()


def test_remove_light_halves_the_difference_of_the_sides(sitter: Sitter) -> None:
    photo, points = sitter.photo(0, side_light(sitter))
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], points)
    shot = sitter.shot(photo, pose)
    view = see(shot, sitter.positions, sitter.template.faces, sitter.normals)
    skin = sitter.part == SKIN
    everywhere = Places.at_vertices(len(skin))
    open_sky = np.ones(len(skin))
    delit = lay(view, sitter.albedo, sitter.normals, open_sky, skin).albedo(everywhere)
    cheeks = skin & (view.weight > 0.5) & ~sitter.birthmark
    left, right = (cheeks & (side * sitter.positions[:, 0] > 0.06) for side in (1, -1))

    def difference(colour: np.ndarray) -> float:
        relative = colour / sitter.albedo  # without the paint's own pattern
        return float(relative[left].mean() / relative[right].mean() - 1)

    assert difference(view.colour) > 0.25
    assert abs(difference(delit)) < 0.5 * difference(view.colour)
    # The light is gone, the skin's colour is not.
    assert np.abs(delit - sitter.albedo)[cheeks].mean() < 0.06


def test_shade_in_folds_is_taken_off(sitter: Sitter) -> None:
    """Half of the light reaches a fold: in the photo it is dark, on the head it isn't."""
    photo, points = sitter.photo(0, side_light(sitter))
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], points)
    view = see(sitter.shot(photo, pose), sitter.positions, sitter.template.faces, sitter.normals)
    skin = sitter.part == SKIN
    fold = skin & (np.abs(sitter.positions[:, 1] - sitter.marks[8, 1]) < 0.03)
    sky, nowhere = np.where(fold, 0.5, 1.0), np.ones(len(skin))
    plain, lifted = (
        to_linear(
            lay(view, sitter.albedo, sitter.normals, open_sky, skin).albedo(
                Places.at_vertices(len(skin))
            )
        )
        for open_sky in (nowhere, sky)
    )
    shown = fold & (view.weight > 0.5)
    assert np.median(lifted[shown] / plain[shown]) == pytest.approx(2.0, rel=0.2)


def test_photo_that_hardly_shows_the_face_has_no_weight(sitter: Sitter) -> None:
    weight = np.zeros(len(sitter.positions))
    weight[:50] = 1.0
    view = Seen(np.full((8, 8, 3), 230, np.uint8), np.full((len(weight), 2), 4.0), weight)
    layer = lay(view, sitter.albedo, sitter.normals, np.ones_like(weight), sitter.part == SKIN)
    assert layer.weight.max() == 0


def test_strong_light_keeps_the_birthmark(sitter: Sitter) -> None:
    found = sitter.colours(sitter.photo(0, side_light(sitter)))
    mark = sitter.birthmark & (found.seen > 0.6)
    ring = (found.seen > 0.6) & ~sitter.birthmark
    assert found.albedo[mark].mean() < 0.7 * found.albedo[ring].mean()


def test_look_follows_the_photo(sitter: Sitter) -> None:
    """Skin between the guess and the picture, hair as pictured, and none on a bald head."""
    found = sitter.colours(sitter.photo(0)).look
    assert np.abs(np.array(found.skin) - LOOK.skin).max() < 0.08
    assert found.hair_amount == 1.0 and np.abs(np.array(found.hair) - LOOK.hair).max() < 0.08
    bald = replace(sitter, albedo=np.tile(np.array(LOOK.skin), (len(sitter.positions), 1)))
    assert bald.colours(bald.photo(0)).look.hair_amount == 0.0


def test_hair_behind_the_ears_is_not_laid_on_them(sitter: Sitter) -> None:
    height, depth = ear_centre(sitter.marks)
    beside = np.abs(sitter.positions[:, 0]) > np.abs(sitter.marks[[0, 16], 0]).mean()
    ears = beside & (np.hypot(*(sitter.positions[:, 1:] - [height, depth]).T) < 0.06)
    albedo = np.where(ears[:, None], 0.05, sitter.albedo)
    photos = [replace(sitter, albedo=albedo).photo(yaw) for yaw in (-30, 0, 30)]
    found = sitter.colours(*photos)
    assert ears.sum() > 100
    assert np.abs(found.albedo - np.array(found.look.skin))[ears].mean() < 0.1


def test_colours_between_vertices_are_those_of_the_picture(sitter: Sitter) -> None:
    """A line of one pixel that falls between vertices is there all the same."""
    photo, five = sitter.photo(0)
    photo = photo.copy()
    bridge = solve_pose(sitter.marks[list(FIVE_POINTS)], five).project(sitter.marks[28:29])
    row = int(bridge[0, 1]) - 60  # across the forehead
    photo[row] = 0
    found = sitter.colours((photo, five))
    random, faces = np.random.default_rng(0), sitter.template.faces.numpy()
    corners = faces[random.integers(len(faces), size=600_000)]
    places = Places(corners, random.dirichlet(np.ones(3), size=len(corners)))
    on_line = np.abs(places.between(found.laid.layers[0].points)[:, 1] - row) < 0.1
    seen = on_line & (places.between(found.seen) > 0.8)
    assert seen.sum() > 20
    assert found.laid.albedo(Places(corners[seen], places.barycentric[seen])).max() < 0.25
    vertices = Places.at_vertices(len(found.albedo))
    assert np.array_equal(found.laid.albedo(vertices), found.albedo)

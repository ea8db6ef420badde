# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours from photographs: pictures rendered of a head whose colours are known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.photo_pose import DISTANCE, FIVE_POINTS, PhotoPose, solve_pose
from idto3d.head.photo_view import head_and_face
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, SKIN, ear_centre, smoothstep
from idto3d.head.template import EYE_RIGHT, Template, load_template
from idto3d.identity.intrinsic_images import SIZE as SIZE_OUT
from idto3d.identity.intrinsic_images import IntrinsicImages
from idto3d.render.cameras import orbit, transform
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.render.shade import linear_to_srgb, srgb_to_linear
from idto3d.texture.first_colours import (
    FirstColours,
    Seen,
    Shot,
    first_colours,
    lay,
    see,
)
from idto3d.texture.layers import Places, to_linear
from idto3d.texture.paint import Look, paint_head

SIZE = 512
LOOK = Look(skin=(0.72, 0.50, 0.39), hair=(0.12, 0.08, 0.06), iris=(0.3, 0.2, 0.1), seed=3)


@dataclass(frozen=True)
class Sitter:
    """A head whose true colours are known; a birthmark that no paint knows is on one cheek."""

    template: Template
    positions: np.ndarray  # (V,3)
    marks: np.ndarray  # (68,3)
    normals: np.ndarray  # (V,3)
    albedo: np.ndarray  # (V,3) sRGB
    birthmark: np.ndarray  # (V,) bool

    @property
    def part(self) -> np.ndarray:
        return self.template.part.numpy()

    def photo(self, yaw: float, light: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Picture (SIZE,SIZE,3) uint8 and five points (5,2), under light (V,) or none."""
        camera = orbit(yaw, 0.0, distance=DISTANCE)
        linear = srgb_to_linear(torch.from_numpy(self.albedo).float())
        if light is not None:
            linear = linear * torch.from_numpy(light).float()[:, None]
        clip = transform(self.template.mean, camera)
        fragments = rasterize(clip, self.template.faces, SIZE, SIZE)
        picture = interpolate(linear_to_srgb(linear), fragments, self.template.faces)
        picture = picture * fragments.mask + 0.5 * (1 - fragments.mask)
        pixels = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        five = clip[0, self.template.landmarks[list(FIVE_POINTS)]].numpy()
        points = (five[:, :2] / five[:, 3:] * [1, -1] + 1) * 0.5 * SIZE - 0.5
        return pixels, points

    def shot(self, photo: np.ndarray, pose: PhotoPose) -> Shot:
        return Shot(photo, pose, np.zeros_like(self.positions))

    def colours(self, *photos: tuple[np.ndarray, np.ndarray]) -> FirstColours:
        marks = self.marks[list(FIVE_POINTS)]
        shots = [self.shot(pixels, solve_pose(marks, five)) for pixels, five in photos]
        return first_colours(self.template, self.template.mean, shots, LOOK.skin)


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    template = load_template(ASSETS / "template" / "head.npz")
    positions = template.mean.numpy()
    marks, part = positions[template.landmarks.numpy()], template.part.numpy()
    normals = vertex_normals(template.mean, template.faces).numpy()
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    front = smoothstep(0.0, 0.3, normals[:, 2])
    albedo = paint_head(positions, marks, part, front, eyes, LOOK).albedo
    cheek = marks[45] * [0.95, 0.0, 1.0] + [0.0, marks[30, 1], 0.02]
    birthmark = (np.linalg.norm(positions - cheek, axis=1) < 0.05) & (part == SKIN)
    albedo[birthmark] = (0.35, 0.16, 0.20)
    return Sitter(template, positions, marks, normals, albedo, birthmark)


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


def test_hidden_vertices_are_not_seen(sitter: Sitter) -> None:
    photo, points = sitter.photo(55)
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], points)
    faces, part = sitter.template.faces, sitter.part
    seen = see(sitter.shot(photo, pose), sitter.positions, faces, sitter.normals)
    assert seen.weight.max() > 0.95
    assert seen.weight[sitter.normals @ pose.towards() < 0.1].max() == 0
    # The tongue looks forward, but lies behind the lips.
    assert (sitter.normals[part == 1] @ pose.towards()).max() > 0.8
    assert seen.weight[part == 1].max() < 0.05
    left, right = sitter.template.landmarks[[14, 2]].numpy()
    assert seen.weight[left] > 0.9 and seen.weight[right] == 0
    # What is seen has the picture's colour.
    clear = seen.weight > 0.9
    assert np.abs(seen.colour - sitter.albedo)[clear].mean() < 0.03


def test_photo_that_cuts_the_head(sitter: Sitter) -> None:
    """Vertices beyond the picture's border are not seen."""
    photo, points = sitter.photo(0)
    cut, moved = photo[: SIZE // 2], points
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], moved)
    shot = sitter.shot(cut, pose)
    seen = see(shot, sitter.positions, sitter.template.faces, sitter.normals)
    below = pose.project(sitter.positions)[:, 1] > SIZE // 2
    assert below.any() and seen.weight[below].max() == 0 and seen.weight.max() > 0.9


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


def test_fine_photos_are_averaged(sitter: Sitter) -> None:
    """A photo with twelve times the pixels gives the same colours."""
    photo, five = sitter.photo(0)
    large = np.kron(photo, np.ones((6, 6, 1), dtype=np.uint8))
    plain = sitter.colours((photo, five)).albedo
    same = sitter.colours((large, (five + 0.5) * 6 - 0.5)).albedo
    assert np.abs(same - plain).mean() < 0.005


@pytest.mark.parametrize("fringe", [False, True])
def test_fair_hair_is_told_from_a_bald_head(sitter: Sitter, fringe: bool) -> None:
    """Hair hardly darker than the skin, in a light from above; a fringe hides the forehead."""
    height = sitter.positions[:, 1] - sitter.marks[24, 1]
    above = height > (0.02 if fringe else 0.12)
    front_or_top = (sitter.normals[:, 2] > 0) | (height > 0.12)
    skin = np.array(LOOK.skin)
    hair = skin * (0.5 if fringe else 0.66)
    fair = np.where((above & front_or_top)[:, None], hair, skin)
    light = 0.8 + 0.2 * sitter.normals[:, 1]
    for albedo, amount in ((fair, 0.6), (np.tile(skin, (len(fair), 1)), 0.0)):
        head = replace(sitter, albedo=albedo)
        found = head.colours(*(head.photo(yaw, light) for yaw in (-20, 0, 20))).look
        assert found.hair_amount >= amount if amount else found.hair_amount == 0.0


def test_background_is_not_laid_on_the_head(sitter: Sitter) -> None:
    """Where the network sees background, and just beside, a photo has no weight."""
    photo, points = sitter.photo(0)
    pose = solve_pose(sitter.marks[list(FIVE_POINTS)], points)
    side = np.ones((SIZE_OUT, SIZE_OUT), np.float32)
    on_head = side.copy()
    on_head[:, : SIZE_OUT // 2] = 0.0  # the picture's left half is said to be background
    normal = np.stack([0 * side, 0 * side, side], axis=-1)
    square = head_and_face(pose)[0]
    seen = IntrinsicImages(square, normal, 0.01 * side, normal, on_head)
    whole = sitter.shot(photo, pose)
    half = replace(whole, images=[seen])
    free, bound = (
        see(shot, sitter.positions, sitter.template.faces, sitter.normals).weight
        for shot in (whole, half)
    )
    points = pose.project(sitter.positions)[:, :2]
    inside = (np.abs(points - square.centre) < 0.45 * square.side).all(axis=1)
    left = points[:, 0] < square.centre[0]
    assert free[left].max() > 0.9 and bound[left].max() < 0.01
    beyond = (np.abs(points - square.centre) > 0.5 * square.side).any(axis=1)
    assert beyond.any() and bound[beyond].max() < 0.01  # nobody looked there
    right = inside & (points[:, 0] > square.centre[0] + 0.05 * square.side)
    assert np.allclose(free[right], bound[right], atol=1e-3)

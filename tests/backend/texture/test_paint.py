# SPDX-License-Identifier: GPL-3.0-or-later
"""The paint: each mask where it belongs, and colours as the look says."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.assets import ASSETS
from idto3d.head.outlines import polygon_distance
from idto3d.head.regions import LEFT_EYE, MOUTH, RIGHT_EYE, SKIN, hair_mask, smoothstep, value_noise
from idto3d.head.template import Template, load_template
from idto3d.render.normals import vertex_normals
from idto3d.texture.paint import Look, Paint, paint_head

# Even skin without hair, brows, lips' red or spots: what is switched on shows alone.
BARE = Look(
    skin=(0.7, 0.5, 0.4),
    hair=(0.05, 0.05, 0.05),
    iris=(0.2, 0.3, 0.6),
    hair_amount=0.0,
    hair_thickness=0.0,
    brow_amount=0.0,
    lip_redness=0.0,
    blush=0.0,
    spots=0.0,
    variation=0.0,
)


class Head:
    """The mean head, and where its features are."""

    def __init__(self, template: Template) -> None:
        self.positions = template.mean.numpy()
        self.part = template.part.numpy()
        self.marks = self.positions[template.landmarks.numpy()]
        self.normals = vertex_normals(template.mean, template.faces).numpy()
        self.eyes = np.stack(
            [self.positions[self.part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)]
        )
        self.cm = np.linalg.norm(self.marks[36, :2] - self.marks[45, :2]) / 8.92

    def paint(self, look: Look) -> Paint:
        front = smoothstep(0.0, 0.3, self.normals[:, 2])
        return paint_head(self.positions, self.marks, self.part, front, self.eyes, look)

    def near(self, *landmarks: int, radius: float) -> np.ndarray:
        """Skin within `radius` centimetres of the landmarks' mean."""
        middle = self.marks[list(landmarks)].mean(axis=0)
        distance = np.linalg.norm(self.positions - middle, axis=1)
        return (distance < radius * self.cm) & (self.part == SKIN)

    def changed(self, look: Look) -> np.ndarray:
        """(V,) largest change of a colour against the bare head."""
        return np.abs(self.paint(look).albedo - self.paint(BARE).albedo).max(axis=1)


@pytest.fixture(scope="module")
def head() -> Head:
    return Head(load_template(ASSETS / "template" / "head.npz"))


def test_values_are_materials(head: Head) -> None:
    paint = head.paint(replace(BARE, hair_amount=1, spots=1, blush=1, beard=1, variation=2))
    for values in (paint.albedo, paint.roughness, paint.hair):
        assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1
    assert paint.roughness.min() >= 0.05 and (paint.offset >= 0).all()


def test_skin_has_the_looks_colour(head: Head) -> None:
    paint = head.paint(BARE)
    cheek = head.near(2, 14, 30, 36, 45, radius=9) & ~head.near(36, 39, radius=4)
    cheek &= ~head.near(42, 45, radius=4) & ~head.near(*range(48, 60), radius=4)
    assert cheek.sum() > 100 and np.abs(paint.albedo[cheek] - BARE.skin).max() < 0.02
    assert paint.hair.max() == 0 and paint.offset.max() == 0


def test_eyes(head: Head) -> None:
    """Pupil, iris and sclera around a line of sight to the open lids; both eyes look alike."""
    paint = head.paint(BARE)
    for code, centre, lids in (
        (LEFT_EYE, head.eyes[0], slice(42, 48)),
        (RIGHT_EYE, head.eyes[1], slice(36, 42)),
    ):
        ball = head.part == code
        offset = head.positions - centre
        coloured = ball & (paint.albedo.mean(axis=1) < 0.5)
        assert paint.albedo[coloured].max(axis=1).min() < 0.1  # the pupil
        sight = offset[coloured].mean(axis=0)
        sight = sight / np.linalg.norm(sight)
        assert abs(sight[0]) < 0.05 and sight[2] > 0.85
        to_lids = head.marks[lids].mean(axis=0) - centre
        ahead, open_at = sight[1] / sight[2], to_lids[1] / to_lids[2]
        assert abs(ahead - open_at) < 0.35 * abs(open_at)
        radius = np.linalg.norm(offset - (offset @ sight)[:, None] * sight, axis=1) / head.cm
        front = ball & (offset @ sight > 0)
        iris, white = front & (radius > 0.34) & (radius < 0.5), ball & (radius > 0.8)
        assert iris.any() and white.any()
        assert (paint.albedo[iris, 2] > 1.5 * paint.albedo[iris, 0]).all()  # blue eyes
        assert paint.albedo[white].mean() > 0.75
        assert paint.albedo[ball & (offset @ sight < 0)].mean() > 0.75  # none on the back
        assert np.allclose(paint.roughness[ball], 0.15)


def test_mouth_inside(head: Head) -> None:
    inside = head.part == MOUTH
    paint = head.paint(BARE)
    assert (paint.albedo[inside] == paint.albedo[inside][0]).all()
    assert paint.albedo[inside][0, 0] > 1.5 * paint.albedo[inside][0, 1]  # red


def test_lips(head: Head) -> None:
    change = head.changed(replace(BARE, lip_redness=1.0))
    lips = polygon_distance(head.positions[:, :2], head.marks[48:60, :2]) < 0
    front = (head.part == SKIN) & (head.normals[:, 2] > 0.5)
    assert change[lips & front].mean() > 0.1
    # Beside the mouth nothing; behind the lips the mouth's walls may be red.
    outside = ~head.near(*range(48, 60), radius=4.0) & (head.positions[:, 2] > 0.15)
    assert outside.sum() > 500 and change[outside].max() < 1e-9
    red = head.paint(replace(BARE, lip_redness=1.0)).albedo[lips & front]
    assert (red[:, 0] > red[:, 1] + 0.1).mean() > 0.9


def test_brows(head: Head) -> None:
    change = head.changed(replace(BARE, brow_amount=0.9))
    left, right = head.near(*range(22, 27), radius=4.5), head.near(*range(17, 22), radius=4.5)
    assert (change > 0.2)[left].sum() > 5 and (change > 0.2)[right].sum() > 5
    assert change[~left & ~right].max() < 0.02
    eye_height = head.marks[36:48, 1].max()
    assert head.positions[change > 0.2, 1].min() > eye_height
    assert np.abs(head.positions[change > 0.2, 0]).min() > 0.5 * head.cm  # no single brow


def test_beard(head: Head) -> None:
    change = head.changed(replace(BARE, beard=0.8))
    chin = head.near(8, radius=1.5)
    assert change[chin].mean() > 0.1
    above = head.positions[:, 1] > head.marks[33, 1] + 0.5 * head.cm
    assert change[above].max() < 1e-6
    behind = head.positions[:, 2] < head.marks[2, 2] - 3.0 * head.cm
    assert change[behind].max() < 1e-6


def test_blush_and_freckles(head: Head) -> None:
    for look in (replace(BARE, blush=1.0), replace(BARE, freckles=1.0)):
        change = head.changed(look)
        assert change.max() > 0.02
        assert change[head.positions[:, 2] < -0.15].max() < 1e-3  # ears may have some


def test_hair_covers_the_scalp_and_not_the_face(head: Head) -> None:
    hairy = replace(BARE, hair_amount=1.0, hair_thickness=1.5)
    cover = hair_mask(head.positions, head.marks, seed=hairy.seed)
    skin = head.part == SKIN
    top = skin & (head.positions[:, 1] > head.marks[24, 1] + 6.5 * head.cm)
    back = skin & (head.positions[:, 2] < -0.2) & (head.positions[:, 1] > head.marks[30, 1])
    assert cover[top].min() > 0.8 and cover[back].mean() > 0.9
    face = head.near(30, radius=5.0) | head.near(8, radius=3.0)
    assert cover[face].max() == 0
    neck = head.positions[:, 1] < -0.35
    assert cover[neck].max() < 0.05
    # The rims of the ears stay free.
    ears = np.abs(head.positions[:, 0]) > 1.15 * np.abs(head.marks[[0, 16], 0]).max()
    assert ears.sum() > 20 and cover[ears].mean() < 0.2
    paint = head.paint(hairy)
    assert np.abs(paint.albedo[top] - BARE.hair).mean() < 0.05
    assert 0.8 * head.cm < paint.offset[top].mean() < 2.0 * head.cm
    assert paint.offset[face].max() == 0 and (paint.hair[~skin] == 0).all()


def test_higher_hairline_less_hair(head: Head) -> None:
    low, high = (hair_mask(head.positions, head.marks, hairline) for hairline in (-1.0, 2.0))
    assert (high <= low + 1e-9).all() and high.sum() < low.sum() - 20
    assert head.paint(BARE).hair.max() == 0


def test_seed_is_the_pattern(head: Head) -> None:
    look = replace(BARE, variation=1.0)
    first, again, other = (head.paint(replace(look, seed=seed)).albedo for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert 0.002 < np.abs(first - other).mean() < 0.05


def test_value_noise() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(-20, 20, (4000, 3))
    values = value_noise(points, 3)
    assert values.min() >= -1 and values.max() <= 1 and abs(values.mean()) < 0.05
    assert 0.2 < values.std() < 0.5
    near = value_noise(points + 0.01, 3)
    assert np.abs(near - values).max() < 0.15  # continuous, over the cells' borders too
    assert np.abs(np.corrcoef(values, value_noise(points, 4))[0, 1]) < 0.1


def test_smoothstep_runs_both_ways() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert np.allclose(smoothstep(0.0, 1.0, x), [0, 0, 0.5, 1, 1])
    assert np.allclose(smoothstep(1.0, 0.0, x), [1, 1, 0.5, 0, 0])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of synthetic people: photo, normals and albedo of the same pixels."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from idto3d.render.cameras import Cameras, orbit
from idto3d.render.normals import supersampled_normals
from tests.backend.training.conftest import WITHOUT_ANNY

if TYPE_CHECKING:
    from idto3d.training.people import People, Person
    from idto3d.training.views import Views

pytest.importorskip("anny", reason=WITHOUT_ANNY)

SIZE = 64


@pytest.fixture(scope="module")
def person(people: "People") -> "Person":
    return people.person(2, 0)


@pytest.fixture(scope="module")
def cameras() -> Cameras:
    return orbit(torch.tensor([0.0, 90.0, 180.0]), torch.tensor([0.0, 10.0, 0.0]))


def render(person: "Person", cameras: Cameras, seed: int = 0) -> "Views":
    from idto3d.training.views import render_views

    vertices = torch.from_numpy(person.neutral).expand(len(cameras.yaw), -1, -1)
    return render_views(person, vertices, cameras, SIZE, np.random.default_rng(seed))


def test_values_and_backgrounds(person: "Person", cameras: Cameras) -> None:
    views = render(person, cameras)
    for image in (views.photo, views.normal, views.albedo):
        assert image.shape == (3, SIZE, SIZE, 3) and image.dtype == torch.float32
        assert image.isfinite().all() and image.min() >= 0 and image.max() <= 1
    corner = (slice(None), 0, 0)
    assert (views.normal[corner] == 1).all() and (views.albedo[corner] == 1).all()
    assert (views.photo[corner] < 1).all()  # photos have a background
    inside = (views.normal < 1).any(dim=-1)
    assert 0.2 < inside.float().mean() < 0.7


def test_normals_are_the_hints_own(person: "Person", cameras: Cameras) -> None:
    """One convention for the prior's pictures and for the hint of the template."""
    views = render(person, cameras)
    vertices = torch.from_numpy(person.neutral).expand(3, -1, -1)
    hint = supersampled_normals(vertices, torch.from_numpy(person.faces), cameras, SIZE)
    assert (views.normal - hint).abs().mean() < 0.002


def test_albedo_is_the_paint(person: "Person", cameras: Cameras) -> None:
    views = render(person, cameras)
    middle = views.albedo[0, SIZE // 2 - 4 : SIZE // 2 + 8, SIZE // 2 - 8 : SIZE // 2 + 8]
    skin = person.paint.albedo[person.landmarks[27:36]].mean(axis=0)
    assert np.abs(middle.mean(dim=(0, 1)).numpy() - skin).max() < 0.12
    crown = views.albedo[2, SIZE // 4, SIZE // 2].numpy()
    top = person.paint.hair > 0.9
    assert np.abs(crown - person.paint.albedo[top].mean(axis=0)).max() < 0.12


def test_seed_is_the_light(person: "Person", cameras: Cameras) -> None:
    one, again, other = (render(person, cameras, seed) for seed in (1, 1, 2))
    assert torch.equal(one.photo, again.photo)
    assert (one.photo - other.photo).abs().mean() > 0.02
    assert torch.equal(one.albedo, other.albedo) and torch.equal(one.normal, other.normal)
    # Each picture of a batch has its own light: a face from the front, twice.
    twice = render(person, orbit(torch.tensor([0.0, 0.0]), 0.0))
    assert (twice.photo[0] - twice.photo[1]).abs().mean() > 0.02
    assert torch.equal(twice.albedo[0], twice.albedo[1])


def test_light_falls_on_the_side_it_comes_from(person: "Person") -> None:
    """A key light from the side of the picture's right makes that cheek the brighter one."""
    from idto3d.training.views import random_light

    camera = orbit(torch.tensor([0.0]), 0.0)
    agreed = 0
    for seed in range(30):
        light = random_light(np.random.default_rng(seed))
        if abs(float(light["key"][0])) < 0.6:
            continue
        photo = render(person, camera, seed).photo[0].mean(dim=-1)
        row = slice(SIZE // 2, SIZE // 2 + 8)
        left, right = photo[row, 20:28].mean(), photo[row, 36:44].mean()
        agreed += 1 if (right > left) == (light["key"][0] > 0) else -1
    assert agreed >= 6

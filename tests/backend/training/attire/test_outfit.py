# SPDX-License-Identifier: GPL-3.0-or-later
"""Dressed people are the same people, and captions name what they wear."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from idto3d.head.template import Template
from idto3d.render.cameras import FACE_CENTRE, orbit
from idto3d.texture.paint import Look
from idto3d.training.attire.outfit import restyled
from idto3d.training.looks import caption
from tests.backend.training.conftest import WITHOUT_ANNY

if TYPE_CHECKING:
    from idto3d.training.people import People

pytest.importorskip("anny", reason=WITHOUT_ANNY)

SEED = 4


@pytest.fixture(scope="module")
def wardrobe(template: Template) -> "People":
    from idto3d.training.people import People

    return People(template, None, dressed=True)


def test_same_person(people: "People", wardrobe: "People") -> None:
    plain, dressed = people.person(SEED, 0), wardrobe.person(SEED, 0)
    assert np.array_equal(plain.bare, dressed.bare)
    assert np.array_equal(plain.coefficients, dressed.coefficients)
    for word in ("age", "gender", "tone", "beard"):
        assert plain.words[word] == dressed.words[word]
    assert not plain.grown and not plain.accessories and plain.relief is None
    assert dressed.grown and dressed.relief is not None
    again = wardrobe.person(SEED, 0)
    assert again.words == dressed.words and np.array_equal(again.neutral, dressed.neutral)


def test_words_name_what_is_worn(wardrobe: "People") -> None:
    worn = set()
    for index in range(8):
        person = wardrobe.person(SEED, index)
        names = [name for name in person.words["worn"].split(" and ") if name]
        assert len(names) == len(person.accessories)
        style = person.words["hair"].split()[0]
        # Teeth and lashes are always there, hair that leaves the scalp besides.
        assert len(person.grown) == 1 + (style in ("long", "tied"))
        line = caption("front view", person.words, np.zeros(5, dtype=bool))
        assert all(name in line for name in names) and ("with" in line) == bool(names)
        worn |= {style, *names}
    assert {"glasses", "long"} & worn


def test_hairstyles() -> None:
    look = Look((0.8, 0.6, 0.5), (0.2, 0.1, 0.1), (0.3, 0.2, 0.1), beard=0.7)
    words = {"hair": "full red hair", "gender": "man"}
    random = np.random.default_rng(0)
    drawn = [restyled(look, words, random) for _ in range(200)]
    styles = [new["hair"].split()[0] for _, new in drawn]
    assert set(styles) == {"long", "tied", "curly", "full"}
    for style, (new, _) in zip(styles, drawn, strict=True):
        assert (new.curl > 0) == (style == "curly")
        assert new.beard_thickness > 0
    bald = restyled(look, {"hair": "no hair", "gender": "man"}, random)[1]
    assert bald["hair"] == "no hair" and words["hair"] == "full red hair"


def test_open_mouths_show_teeth(people: "People", wardrobe: "People") -> None:
    from idto3d.training.views import render_views

    camera = orbit(0.0, 0.0, 2.6, FACE_CENTRE, 8.4)
    bright = []
    for source in (people, wardrobe):
        person = source.person(SEED, 0)
        opened = (person.neutral + person.displacement({"jawOpen": 0.8})).astype(np.float32)
        views = render_views(
            person, torch.from_numpy(opened)[None], camera, 128, np.random.default_rng(0),
            person.grown,
        )  # fmt: skip
        lips = opened[person.landmarks[60:68], :2]
        # The window is 0.38 wide, its middle at the face's centre.
        cells = (lips - np.array(FACE_CENTRE[:2])) * [1, -1] / 0.38 * 128 + 64
        (left, top), (right, bottom) = cells.min(axis=0).astype(int), cells.max(axis=0).astype(int)
        inside = views.albedo[0, top:bottom, left:right]
        bright.append(float((inside.min(dim=-1).values > 0.55).float().mean()))
    assert bright[1] > bright[0] + 0.05

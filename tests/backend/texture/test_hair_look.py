# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair is measured: its amount and where it begins."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.texture.hair_look import HANGING
from tests.backend.texture.sitter import LOOK, Sitter, make_sitter


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    return make_sitter()


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


@pytest.mark.parametrize("offset", [-2.2, 0.0, 0.7])
def test_hair_begins_where_the_photos_show_it(offset: float) -> None:
    head = make_sitter(replace(LOOK, hairline=offset, temple=0.0), fine=True)
    found = head.colours(*(head.photo(yaw) for yaw in (-20, 0, 20))).look
    assert found.hairline == pytest.approx(offset, abs=0.45)
    assert (found.temple == 0.0) == (offset < -HANGING)


def test_a_bald_head_has_no_hairline() -> None:
    head = make_sitter(replace(LOOK, hair_amount=0.0))
    found = head.colours(head.photo(0)).look
    assert found.hair_amount == 0.0 and found.hairline == LOOK.hairline

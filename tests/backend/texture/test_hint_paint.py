# SPDX-License-Identifier: GPL-3.0-or-later
"""The hint's plain face on the shipped template."""

import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE
from idto3d.head.template import BROW_LEFT, BROW_RIGHT, Template, load_template
from idto3d.texture.hint_paint import PLAIN, hint_paint


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz").subdivided()


def test_eyes_brows_and_lips_stand_out_from_plain_skin(template: Template) -> None:
    paint = hint_paint(template)
    assert paint.shape == template.mean.shape and paint.dtype == torch.float32
    assert paint.min() >= 0 and paint.max() <= 1
    bright = paint.mean(dim=1)
    skin = sum(PLAIN.skin) / 3
    # The back of the head is bare skin.
    back = template.mean[:, 2] < template.mean[:, 2].quantile(0.05)
    torch.testing.assert_close(paint[back], torch.tensor(PLAIN.skin).expand(int(back.sum()), 3))
    for code in (LEFT_EYE, RIGHT_EYE):
        eye = bright[template.part == code]
        assert eye.min() < 0.3 * skin and eye.max() > 1.2 * skin, "pupil and sclera"
    for brow in (BROW_LEFT, BROW_RIGHT):
        assert bright[template.landmarks[brow]].mean() < 0.7 * skin
    lips = paint[template.landmarks[[51, 57]]]
    assert ((lips[:, 0] - lips[:, 1]) > 1.3 * (PLAIN.skin[0] - PLAIN.skin[1])).all(), "redder"


def test_it_is_the_same_for_everybody(template: Template) -> None:
    assert torch.equal(hint_paint(template), hint_paint(template))

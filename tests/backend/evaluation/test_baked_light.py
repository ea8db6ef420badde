# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint that is brighter on one side is found, whatever the face's features are."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("anny")

from idto3d.evaluation.baked_light import baked_light, opposite_lights  # noqa: E402
from idto3d.evaluation.portraits import PaintedHead, true_head  # noqa: E402
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402

LIGHTS = opposite_lights()


@pytest.fixture(scope="module")
def head() -> PaintedHead:
    return true_head(ToyPeople().person(5, 0))


def lit_from(head: PaintedHead, amount: float) -> PaintedHead:
    """A gradient baked into the colours, the person's left the brighter, `amount` stops a side."""
    materials = head.materials.copy()
    stops = amount * np.clip(head.vertices[:, :1] / 0.1, -1, 1)
    materials[:, :3] = np.clip(0.6 * materials[:, :3] * 2 ** (stops / 2.2), 0, 1)
    return replace(head, materials=materials)


def test_symmetric_paint_carries_no_light(head: PaintedHead) -> None:
    found = baked_light(lit_from(head, 0.0), LIGHTS)
    assert found.difference < 0.12 and abs(found.tilt) < 0.05


def test_a_gradient_is_found_with_its_side_and_size(head: PaintedHead) -> None:
    none, little, much = (baked_light(lit_from(head, a), LIGHTS) for a in (0.0, 0.2, 0.6))
    assert none.difference < little.difference < much.difference
    assert 0.6 < much.tilt < 1.4  # the halves are up to 1.2 stops apart
    right = baked_light(lit_from(head, -0.6), LIGHTS)
    assert right.tilt == pytest.approx(-much.tilt, abs=0.1)


def test_brightness_and_gloss_are_no_light(head: PaintedHead) -> None:
    plain, darker = lit_from(head, 0.3), lit_from(head, 0.3)
    darker.materials[:, :3] *= 0.7
    darker.materials[:, 3] = 0.1
    a, b = baked_light(plain, LIGHTS), baked_light(darker, LIGHTS)
    assert a.tilt == pytest.approx(b.tilt, abs=0.08)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps are read as large as they are seen, and averaged as light."""

import numpy as np
import pytest
import torch

from idto3d.asset.bake import Maps
from idto3d.asset.build import HeadModel
from idto3d.asset.textured import MapPyramid, TexturedHead
from idto3d.render.cameras import orbit


@pytest.fixture(scope="module")
def chequered() -> MapPyramid:
    """Black and white texels by turns; normals and the rest even."""
    black = np.indices((64, 64)).sum(axis=0) % 2
    albedo = np.repeat((255 * black)[..., None], 3, axis=2).astype(np.uint8)
    even = np.full((64, 64, 3), 128, dtype=np.uint8)
    return MapPyramid(Maps(albedo, even, even))


def test_a_pixel_of_one_texel_sees_it_and_a_wide_one_their_mean(chequered: MapPyramid) -> None:
    uv = (torch.tensor([[20.0, 30.0], [21.0, 30.0]]) + 0.5) / 64
    near, _, _ = chequered.sample(uv, torch.ones(2))
    assert near[:, 0].tolist() == pytest.approx([0.0, 1.0], abs=1e-3)
    far, normal, orm = chequered.sample(uv, torch.full((2,), 4.0))
    # Half the light, which is more than half of sRGB.
    assert far.numpy() == pytest.approx(0.735, abs=0.01)
    assert normal.numpy() == pytest.approx(128 / 255) and orm.numpy() == pytest.approx(128 / 255)
    between, _, _ = chequered.sample(uv[:1], torch.tensor([2**0.5]))
    assert 0.0 < float(between[0, 0]) < float(far[0, 0])


def test_the_smallest_copy_is_the_end(chequered: MapPyramid) -> None:
    assert [level.shape[-1] for level in chequered.levels] == [64, 32, 16]
    far, _, _ = chequered.sample(torch.rand(5, 2), torch.full((5,), 1e6))
    assert far.numpy() == pytest.approx(0.735, abs=0.01)


def test_what_is_seen_has_place_direction_and_colour(head_model: HeadModel) -> None:
    seen = TexturedHead(head_model).see(0, orbit(0.0, 0.0), 64)
    count = int(seen.inside.sum())
    assert count > 500
    assert all(len(each) == count for each in (seen.position, seen.normal, seen.albedo, seen.orm))
    assert float((seen.normal.norm(dim=1) - 1).abs().max()) < 1e-4
    # The fake head's colours are its places.
    assert float((seen.albedo - seen.position - 0.5).abs().median()) < 0.02

# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures show the head that was built, all of it, and the files open."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idto3d.asset import pictures
from idto3d.asset.build import HeadModel
from idto3d.asset.look import draw
from idto3d.asset.pictures import sheet, write_overview, write_turntable
from idto3d.asset.textured import TexturedHead
from idto3d.render.cameras import orbit
from idto3d.render.environment import EnvironmentLight, prefilter
from idto3d.render.normals import camera_normals_image


@pytest.fixture(scope="module")
def white() -> EnvironmentLight:
    """The same light from everywhere."""
    return prefilter(torch.ones(64, 128, 3))


def test_normals_are_the_renderers_own(head_model: HeadModel, white: EnvironmentLight) -> None:
    """Against the renderer's picture of the same mesh; the normal map adds ripples only."""
    camera = orbit(30.0, 10.0)
    ours = draw(TexturedHead(head_model), 2, camera, 96, white).normals
    positions = torch.from_numpy(head_model.positions[2])
    theirs, mask = camera_normals_image(positions, torch.from_numpy(head_model.faces), camera, 96)
    inside = mask[0, :, :, 0] == 1
    difference = (ours - theirs[0]).abs().amax(dim=2)[inside]
    assert inside.sum() > 2000
    assert difference.mean() < 0.03
    assert float(ours[0, 0].min()) == 1.0  # white behind it


def test_textured_shows_the_albedo_under_white_light(
    head_model: HeadModel, white: EnvironmentLight
) -> None:
    """The stripes run red from right to left, green upwards, blue to the front."""
    image = draw(TexturedHead(head_model), 0, orbit(0.0, 0.0), 96, white, background=0.0).textured
    left, right = image[48, 30], image[48, 66]
    assert right[0] > left[0] + 0.15  # +X is at the right of the picture
    assert image[30, 48, 1] > image[66, 48, 1] + 0.15
    behind = draw(
        TexturedHead(head_model), 0, orbit(180.0, 0.0), 96, white, background=0.0
    ).textured
    assert image[48, 48, 2] > behind[48, 48, 2] + 0.3
    assert float(image[0, 0].max()) == 0.0


def test_expressions_look_different(head_model: HeadModel, white: EnvironmentLight) -> None:
    neutral, smile, jaw = (
        draw(TexturedHead(head_model), pose, orbit(0.0, 0.0), 64, white).textured
        for pose in range(3)
    )
    assert (neutral - smile).abs().amax() > 0.1 and (smile - jaw).abs().amax() > 0.1


def test_overview_holds_every_row(
    tmp_path: Path,
    head_model: HeadModel,
    white: EnvironmentLight,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "CELL", 64)
    photos = [Image.new("RGB", (80, 120), (200, 10, 10)) for _ in range(6)]
    dim = prefilter(0.2 * torch.ones(64, 128, 3))
    path = tmp_path / "overview.png"
    write_overview(path, head_model, photos, [("white", white), ("dim", dim), ("dim", dim)])
    page = np.asarray(Image.open(path)).astype(int)
    step, line = 64 + 12, 64 + 12 + 22
    # Photographs (two lines), normals, textured, expressions, lights: 5 headings, 6 lines.
    assert page.shape == (12 + 5 * 34 + 6 * line, 12 + 5 * step, 3)
    red = (page == [200, 10, 10]).all(axis=2)
    assert red.sum() == 6 * 64 * 64
    last = page[-line : -line + 64]
    bright, dark = (last[24:40, left + 24 : left + 40].mean() for left in (12, 12 + step))
    assert bright > dark + 40


def test_sheet_wraps_long_rows() -> None:
    cell = Image.new("RGB", (pictures.CELL, pictures.CELL))
    one, two = (sheet([("row", [("", cell)] * count)]) for count in (5, 6))
    assert one.width == two.width and two.height > one.height + pictures.CELL


def test_turntable_turns(
    tmp_path: Path,
    head_model: HeadModel,
    white: EnvironmentLight,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "TURNTABLE_SIZE", 48)
    monkeypatch.setattr(pictures, "TURNTABLE_FRAMES", 4)
    path = tmp_path / "turntable.webp"
    write_turntable(path, head_model, white)
    with Image.open(path) as animation:
        assert animation.n_frames == 4
        assert animation.size == (96, 48)
        frames = []
        for index in range(4):
            animation.seek(index)
            frames.append(np.asarray(animation.convert("RGB")).astype(int))
    # Blue is the front: it shows in the first frame and not from behind.
    middle = [frame[20:28, 20:28, 2].mean() for frame in frames]
    assert middle[0] > middle[1] > middle[2] + 20
    assert abs(middle[1] - middle[3]) < 25

# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to look at: overview.png, everything on one sheet, and turntable.webp."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from idto3d.asset.build import NEUTRAL, HeadModel
from idto3d.asset.files import write_whole
from idto3d.asset.look import draw
from idto3d.asset.textured import TexturedHead
from idto3d.render.cameras import FACE_CENTRE, Cameras, orbit
from idto3d.render.environment import EnvironmentLight, turned

CELL = 256  # pixels of a picture on the sheet
COLUMNS = 5
MARGIN, CAPTION, HEADING = 12, 22, 34
PAPER, INK = (250, 250, 250), (40, 40, 40)
VIEWS = {"0°": 0.0, "45°": 45.0, "90°": 90.0, "180°": 180.0, "270°": 270.0}
TURNTABLE_FRAMES = 36
TURNTABLE_SIZE = 320
TURNTABLE_MILLISECONDS = 75  # for a frame: a turn takes 2.7 seconds

Row = tuple[str, list[tuple[str, Image.Image]]]  # heading, then caption and picture of each cell


def write_overview(
    path: Path,
    model: HeadModel,
    photos: Sequence[Image.Image],
    lights: Sequence[tuple[str, EnvironmentLight]],
) -> None:
    """Write one sheet: photographs, neutral head all round, expressions, lights.

    photos: as they were used. lights: name and light; the first also lights the other rows.
    Raises UserError when the disk refuses.
    """
    head, light = TexturedHead(model), lights[0][1]
    around = {
        name: draw(head, NEUTRAL, _head_camera(model, yaw), CELL, turned(light, yaw))
        for name, yaw in VIEWS.items()
    }
    three_quarter = _head_camera(model, 30.0)
    rows: list[Row] = [
        ("Photographs", [("", _square(photo)) for photo in photos]),
        (
            "Neutral: normals",
            [(name, _picture(portrait.normals)) for name, portrait in around.items()],
        ),
        (
            "Neutral: textured",
            [(name, _picture(portrait.textured)) for name, portrait in around.items()],
        ),
        (
            "Expressions",
            [
                (name, _picture(draw(head, index, _face_camera(), CELL, light).textured))
                for index, name in enumerate(model.expressions)
            ],
        ),
        (
            "Lights",
            [
                (name, _picture(draw(head, NEUTRAL, three_quarter, CELL, other).textured))
                for name, other in lights
            ],
        ),
    ]
    buffer = io.BytesIO()
    sheet([row for row in rows if row[1]]).save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def write_turntable(path: Path, model: HeadModel, light: EnvironmentLight) -> None:
    """Write a full turn of the neutral head as an animated WebP: textured beside its normals.

    Raises UserError when the disk refuses.
    """
    head, frames = TexturedHead(model), []
    for index in range(TURNTABLE_FRAMES):
        yaw = 360.0 * index / TURNTABLE_FRAMES
        camera = _head_camera(model, yaw)
        portrait = draw(head, NEUTRAL, camera, TURNTABLE_SIZE, turned(light, yaw), background=1.0)
        frames.append(_picture(torch.cat([portrait.textured, portrait.normals], dim=1)))
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=TURNTABLE_MILLISECONDS,
        loop=0,
        quality=82,
    )
    write_whole(path, buffer.getvalue())


def sheet(rows: Sequence[Row]) -> Image.Image:
    """Lay out rows of captioned square pictures of CELL pixels; long rows wrap at COLUMNS."""
    step = CELL + MARGIN
    lines = [-(-len(cells) // COLUMNS) for _, cells in rows]
    height = MARGIN + sum(HEADING + count * (step + CAPTION) for count in lines)
    page = Image.new("RGB", (MARGIN + COLUMNS * step, height), PAPER)
    draw = ImageDraw.Draw(page)
    heading_font, caption_font = ImageFont.load_default(20), ImageFont.load_default(14)
    top = MARGIN
    for (heading, cells), count in zip(rows, lines, strict=True):
        draw.text((MARGIN, top), heading, fill=INK, font=heading_font)
        for index, (caption, picture) in enumerate(cells):
            left = MARGIN + index % COLUMNS * step
            upper = top + HEADING + index // COLUMNS * (step + CAPTION)
            page.paste(picture, (left, upper))
            draw.text((left + 2, upper + CELL + 3), caption, fill=INK, font=caption_font)
        top += HEADING + count * (step + CAPTION)
    return page


def _head_camera(model: HeadModel, yaw: float) -> Cameras:
    """The whole neutral head fills nine tenths of the frame, from any side."""
    positions = model.positions[NEUTRAL]
    middle = 0.5 * (positions.min(axis=0) + positions.max(axis=0))
    # A turn about the vertical sweeps a cylinder; its outline decides.
    radius = np.linalg.norm((positions - middle)[:, [0, 2]], axis=1).max()
    half = max(float(positions[:, 1].max() - middle[1]), float(radius))
    distance = 2.6
    field_of_view = 2 * math.degrees(math.atan(half / 0.9 / (distance - float(radius))))
    return orbit(yaw, 0.0, distance, tuple(middle.tolist()), field_of_view)


def _face_camera() -> Cameras:
    """A little from the side, where a smile has depth, and near enough to see it."""
    return orbit(15.0, 0.0, target=(0.0, FACE_CENTRE[1], 0.0), field_of_view=17.0)


def _square(photo: Image.Image) -> Image.Image:
    """The middle of a photograph, upright, as one cell."""
    upright = ImageOps.exif_transpose(photo).convert("RGB")
    # Faces are above the middle of most portraits.
    return ImageOps.fit(upright, (CELL, CELL), Image.Resampling.LANCZOS, centering=(0.5, 0.35))


def _picture(image: torch.Tensor) -> Image.Image:
    """(H,W,3) in [0,1] to 8 bits."""
    return Image.fromarray(np.rint(255 * image.clamp(0, 1).numpy()).astype(np.uint8))

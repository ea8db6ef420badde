# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture to judge an evaluation by eye: a row for each person, photos, head, truth."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from idto3d.asset.files import write_whole

CELL = 176  # pixels of a picture
GAP, HEADING, CAPTION = 8, 26, 24
PAPER, INK = (250, 250, 250), (40, 40, 40)


@dataclass(frozen=True)
class Row:
    """One person."""

    heading: str
    pictures: Sequence[np.ndarray]  # (S,S,3) uint8 each, as many as there are captions


def write_contact_sheet(path: Path, captions: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows of square pictures under column captions as PNG.

    Raises UserError when the disk refuses, ValueError when a row has another length.
    """
    step = CELL + GAP
    height = CAPTION + len(rows) * (HEADING + step) + GAP
    page = Image.new("RGB", (GAP + len(captions) * step, height), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(14)
    for column, caption in enumerate(captions):
        draw.text((GAP + column * step, 5), caption, fill=INK, font=font)
    for index, row in enumerate(rows):
        top = CAPTION + index * (HEADING + step)
        draw.text((GAP, top + 6), row.heading, fill=INK, font=font)
        for column, (_, pixels) in enumerate(zip(captions, row.pictures, strict=True)):
            picture = Image.fromarray(pixels).resize((CELL, CELL), Image.Resampling.LANCZOS)
            page.paste(picture, (GAP + column * step, top + HEADING))
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())

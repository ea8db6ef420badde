# SPDX-License-Identifier: GPL-3.0-or-later
"""How much hair there is, of which colour, and where it begins, from the photographs of a head."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from idto3d.head.regions import SKIN, face_centimetre
from idto3d.texture.layers import to_linear, to_srgb, triple
from idto3d.texture.paint import Look
from idto3d.texture.shots import Seen

DEFAULT_HAIR = (0.16, 0.11, 0.08)
# Of the crown's colour from the forehead's, in logarithms. Six bald people have 0.09 to 0.24, nine
# with hair, the fairest among them, 0.28 to 1.3; beyond the second it is full rather than cropped.
BALD, CROPPED = 0.26, 0.5
# A forehead that differs so much from the cheeks is hair.
FRINGE = 0.4
# Where hair is looked for above the brows, face centimetres, and where usual hair is found to
# begin: above the line that it is painted to (`regions.hair_mask`), which is ragged.
LOWEST, HIGHEST, BAND, USUAL = 0.8, 6.4, 0.4, 5.0
LOWER, HIGHER = 3.8, 1.0  # than usual: what is believed
HANGING = 1.0  # lower than usual: a fringe, that doesn't recede at the temples


def hair_look(
    look: Look,
    seen: Sequence[Seen],
    positions: np.ndarray,
    marks: np.ndarray,
    part: np.ndarray,
    light: np.ndarray,
) -> Look:
    """`look` with the hair that photos of a head (V,3) show.

    marks (68,3); part (V,); light (3,) linear, by which the photos show colours brighter.
    """
    cm = face_centimetre(marks)
    height = positions[:, 1] - marks[24, 1]
    crown = (height > 6.0 * cm) & (part == SKIN)
    hair = _median(seen, crown)
    if hair is None:
        return look
    cheeks = np.zeros(len(positions), dtype=bool)
    for eye in (36, 45):
        centre = np.array([marks[eye, 0] * 0.85, marks[30, 1], marks[eye, 2] + cm])
        cheeks |= ((positions - centre) ** 2).sum(1) < (1.6 * cm) ** 2
    forehead = (height > cm) & (height < 3.2 * cm) & (np.abs(positions[:, 0]) < 3 * cm)
    forehead &= (positions[:, 2] > marks[27, 2] - 3 * cm) & (part == SKIN)
    contrast = _hair_contrast(seen, crown, forehead, cheeks)
    if contrast >= CROPPED and (line := _hairline(seen, positions, marks, part, crown, cheeks)):
        hairline = float(np.clip(line - USUAL, -LOWER, HIGHER))
        temple = 0.0 if hairline < -HANGING else look.temple
        look = replace(look, hairline=hairline, temple=temple)
    colour = triple(np.clip(to_srgb(to_linear(hair) / light), 0.02, 1))
    if contrast < BALD:
        return replace(look, hair_amount=0.0, hair_thickness=0.0)
    if contrast < CROPPED:
        return replace(look, hair=colour, hair_amount=0.6, hair_thickness=0.2)
    return replace(look, hair=colour, hair_amount=1.0)


def _hair_contrast(
    seen: Sequence[Seen], crown: np.ndarray, forehead: np.ndarray, cheeks: np.ndarray
) -> float:
    """How different the crown is from skin: logarithm of colours, the median over the photos.

    The forehead lies in the crown's light, the cheeks don't, so fair hair is told from a bald head
    by the forehead; but a fringe hides it, and then differs from the cheeks.
    """
    found = []
    for view in seen:
        parts = [_median([view], region) for region in (crown, forehead, cheeks)]
        top, front, below = (None if part is None else np.log(part + 0.05) for part in parts)
        if top is None or below is None:
            continue
        if front is None:
            found.append(np.abs(top - below).max())
            continue
        fringe = np.abs(front - below).max()
        found.append(fringe if fringe > FRINGE else np.abs(top - front).max())
    return float(np.median(found)) if found else 0.0


def _hairline(
    seen: Sequence[Seen],
    positions: np.ndarray,
    marks: np.ndarray,
    part: np.ndarray,
    crown: np.ndarray,
    cheeks: np.ndarray,
) -> float | None:
    """Height above the brows, face centimetres, from which on the forehead's colour is the crown's
    rather than the cheeks'; the median over the photos that show it, None when none does."""
    cm = face_centimetre(marks)
    height = (positions[:, 1] - marks[24, 1]) / cm
    middle = (np.abs(positions[:, 0]) < 2.5 * cm) & (part == SKIN)
    middle &= positions[:, 2] > marks[27, 2] - 7 * cm
    found = []
    for view in seen:
        below, above = _median([view], cheeks), _median([view], crown)
        if below is None or above is None:
            continue
        skin, hair = np.log(below + 0.05), np.log(above + 0.05)
        line = None
        for low in np.arange(HIGHEST - BAND, LOWEST - 1e-6, -BAND):
            band = middle & (height >= low) & (height < low + BAND) & (view.weight > 0.2)
            if band.sum() < 6:
                continue
            shown = np.log(np.median(view.colour[band], axis=0) + 0.05) - skin
            if shown @ (hair - skin) < 0.5 * ((hair - skin) ** 2).sum():
                break
            line = float(low)
        if line is not None:
            found.append(line)
    return float(np.median(found)) if found else None


def _median(seen: Sequence[Seen], region: np.ndarray) -> np.ndarray | None:
    rows = [view.colour[region & (view.weight > 0.35)] for view in seen]
    joined = np.concatenate(rows) if rows else np.zeros((0, 3))
    return np.median(joined, axis=0) if len(joined) >= 20 else None

# SPDX-License-Identifier: GPL-3.0-or-later
"""The colour of the irises, from the open eyes in photographs.

Between the lids lie sclera, iris and pupil. The iris is what is neither the brightest nor the
darkest, and the sclera says what white is in the photo's light.
"""

from collections.abc import Sequence

import numpy as np

from idto3d.head.regions import face_centimetre
from idto3d.head.template import EYE_LEFT, EYE_RIGHT

# Of the pixels between the lids by lightness: the pupil is below, sclera and highlights above.
DARKEST, LIGHTEST = 0.12, 0.45
WHITE = 0.95  # the quantile of each channel that is sclera
SCLERA_LEVEL = 0.84  # sRGB of a sclera in plain light (`paint.SCLERA`)
# Of the height between the lids, and face centimetres to each side: where iris and sclera show.
HIGH, WIDE = 0.6, 1.0
# An eye less open than so many face centimetres (half its height), or pixels, tells nothing.
LEAST_OPEN, LEAST_PIXELS = 0.18, 2.0


def iris_colour(
    photos: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, float, float] | None:
    """sRGB of both irises, the median over all eyes that are open; None when there are none.

    photos: pixels (H,W,3) uint8 sRGB and the 68 landmarks (68,2) in them.
    """
    found = [
        colour
        for pixels, marks in photos
        for eye in (EYE_RIGHT, EYE_LEFT)
        if (colour := _of_eye(pixels, marks[eye], face_centimetre(marks))) is not None
    ]
    if not found:
        return None
    red, green, blue = np.median(found, axis=0)
    return float(red), float(green), float(blue)


def _of_eye(pixels: np.ndarray, lids: np.ndarray, cm: float) -> np.ndarray | None:
    """lids (6,2): corner, upper lid twice, corner, lower lid twice."""
    centre = lids.mean(axis=0)
    height = 0.5 * (lids[4:6, 1].mean() - lids[1:3, 1].mean())
    if height < max(LEAST_OPEN * cm, LEAST_PIXELS):
        return None
    rows, columns = np.mgrid[
        int(centre[1] - HIGH * height) : int(centre[1] + HIGH * height) + 2,
        int(centre[0] - WIDE * cm) : int(centre[0] + WIDE * cm) + 2,
    ]
    inside = (rows >= 0) & (rows < pixels.shape[0]) & (columns >= 0) & (columns < pixels.shape[1])
    if not inside.all():
        return None
    colours = pixels[rows, columns].reshape(-1, 3) / 255.0
    lightness = colours.mean(axis=1)
    low, high = np.quantile(lightness, [DARKEST, LIGHTEST])
    iris = np.median(colours[(lightness >= low) & (lightness <= high)], axis=0)
    white = np.quantile(colours, WHITE, axis=0)
    return np.clip(iris / np.maximum(white, 0.1) * SCLERA_LEVEL, 0.02, 0.8)

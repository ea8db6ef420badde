# SPDX-License-Identifier: GPL-3.0-or-later
"""The colour of the skin from all photographs: what a face shows there, beside what a network sees.

Each knows something else. A photo's colour is the skin times its light, and light is on the whole
white and about as bright as cameras want it; the network has learned to undo light, but sees
coarsely.
"""

from collections.abc import Sequence

import numpy as np

from idto3d.texture.layers import to_linear, to_srgb

# Of the photo against the network. On 20 people whom none of this was chosen with, logarithms of
# linear light err by 0.11 (level) and 0.03 (hue); the photo alone by 0.13, the network by 0.15 and
# 0.08, the guess from the embedding by 0.24 and 0.13.
PHOTO_SHARE = 0.7
# What is still missing of red, green and blue, in logarithms, on 40 other people: faces have shaded
# sides, and a shade on skin is warm.
SHADE = np.array([0.056, 0.085, 0.074])
# Skin is within this of the median, in logarithms; farther off are beards, hair and glasses.
SAME = 0.8
LEAST = 100  # places; a photo that shows fewer tells nothing
DARK = 0.01  # linear light, added so that logarithms stay finite


def skin_tone(
    photos: Sequence[tuple[np.ndarray, np.ndarray | None]],
) -> tuple[np.ndarray, np.ndarray] | None:
    """(3,) sRGB of the skin, and (3,) linear, by what the photos show it darker or more coloured.

    photos: for each one colours (N,3) sRGB of the bare face, and the albedo (N,3) sRGB that the
    network sees there, if it has looked. None when no photo shows enough.
    """
    shown, found = [], []
    for colours, albedo in photos:
        if len(colours) < LEAST:
            continue
        logarithms = np.log(to_linear(colours) + DARK)
        skin = np.abs(logarithms - np.median(logarithms, axis=0)).max(axis=1) < SAME
        if skin.sum() < LEAST:
            continue
        shown.append(np.median(logarithms[skin], axis=0))
        seen = shown[-1]
        if albedo is not None:
            seen = np.median(np.log(to_linear(albedo[skin]) + DARK), axis=0)
        found.append(PHOTO_SHARE * shown[-1] + (1 - PHOTO_SHARE) * seen)
    if not shown:
        return None
    light = np.mean(shown, axis=0) - np.mean(found, axis=0) - SHADE
    tone = np.maximum(np.exp(np.mean(found, axis=0) + SHADE) - DARK, 0.0)
    return to_srgb(tone), np.exp(light)

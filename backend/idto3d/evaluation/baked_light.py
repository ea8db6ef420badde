# SPDX-License-Identifier: GPL-3.0-or-later
"""Is light painted into a head's colours? The head lit from its left, then from its right.

Each picture is divided by that of the same head painted evenly, which leaves the albedo as that
light shows it. If the colours carry no light of their own, the second is the first in a mirror.
What remains is the albedo's difference between left and right, in stops (powers of two), after
features smaller than an eye have been blurred away. People are not symmetric either: the same
number of the true head is what to expect.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional

from idto3d.asset.textured import Seen
from idto3d.evaluation.portraits import Head, radiance
from idto3d.render.cameras import Cameras, orbit, transform
from idto3d.render.environment import EnvironmentLight, prefilter
from idto3d.render.panorama import directions

SIZE = 192  # pixels
LIGHT_SIDE = 50.0  # degrees from the front
AMBIENT, KEY, SHARPNESS = 0.25, 4.0, 6.0  # radiance, radiance, of the lobe exp(k (cos - 1))
GREY = 0.5
# The face, in distances between the outer corners of the eyes: cheeks, nose and mouth.
HALF_WIDTH, ABOVE, BELOW = 0.7, 0.1, 0.85
BLUR = 0.22
LUMINANCE = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class BakedLight:
    """Stops between the two halves of a face's albedo."""

    difference: float  # mean absolute, 0 for a symmetric face
    tilt: float  # signed: positive where the person's left half is the brighter


def opposite_lights() -> tuple[EnvironmentLight, EnvironmentLight]:
    """A soft lamp at the person's left, and its mirror image."""
    angle = np.radians(LIGHT_SIDE)
    lamps = []
    for side in (1.0, -1.0):
        lamp = torch.tensor([side * np.sin(angle), 0.2, np.cos(angle)], dtype=torch.float32)
        cosine = directions(64, 128) @ functional.normalize(lamp, dim=0)
        glow = AMBIENT + KEY * torch.exp(SHARPNESS * (cosine - 1))
        lamps.append(prefilter(glow[..., None].expand(-1, -1, 3)))
    return lamps[0], lamps[1]


def baked_light(head: Head, lights: tuple[EnvironmentLight, EnvironmentLight]) -> BakedLight:
    """Of one head, under `opposite_lights`."""
    camera = orbit(torch.zeros(1), 0.0, 2.6, (0.0, 0.0, 0.05), 19.0)
    seen = head.see(camera, SIZE)
    left, right = (_albedo_under(seen, camera, light) for light in lights)
    inside = seen.inside
    rows, columns, middle, unit = _box(head, camera)
    width = max(1, round(unit * BLUR)) // 2 * 2 + 1
    left, right = (_blurred(picture, inside, width) for picture in (left, right))
    mirrored = 2 * middle - columns
    gap = left[rows][:, columns] - right[rows][:, mirrored]
    both = inside[rows][:, columns] & inside[rows][:, mirrored]
    # Seen from the front, the person's left lies to the right of the picture.
    on_left = both & (columns > middle)[None]
    return BakedLight(float(gap[both].abs().mean()), float(gap[on_left].mean()))


def _albedo_under(seen: Seen, camera: Cameras, light: EnvironmentLight) -> torch.Tensor:
    """log2 of the picture over that of an evenly painted head (SIZE,SIZE), 0 beside the head."""
    # Gloss depends on where the light is and not on the colours: all is matt here.
    orm = seen.orm.clone()
    orm[:, 1], orm[:, 2] = 1.0, 0.0
    weight = torch.tensor(LUMINANCE)
    matt = replace(seen, orm=orm)
    even = replace(matt, albedo=torch.full_like(seen.albedo, GREY))
    shown, plain = (
        (radiance(each, camera, light) @ weight).clamp_min(1e-4) for each in (matt, even)
    )
    ratio = torch.zeros(seen.inside.shape)
    ratio[seen.inside] = torch.log2(shown / plain)
    return ratio


def _box(head: Head, camera: Cameras) -> tuple[torch.Tensor, torch.Tensor, int, float]:
    """Rows, columns, the column of the face's middle, and the eyes' distance in pixels."""
    marks = torch.from_numpy(head.five_points).float()
    clip = transform(marks, camera)[0]
    x = (clip[:, 0] / clip[:, 3] + 1) * 0.5 * SIZE - 0.5
    y = (1 - clip[:, 1] / clip[:, 3]) * 0.5 * SIZE - 0.5
    unit = float((x[0] - x[2]).abs())
    middle, eyes = round(float(x[:4].mean())), float(y[:4].mean())
    half = round(HALF_WIDTH * unit)
    rows = torch.arange(round(eyes - ABOVE * unit), round(eyes + BELOW * unit)).clamp(0, SIZE - 1)
    half = min(half, middle, SIZE - 1 - middle)
    return rows, torch.arange(middle - half, middle + half + 1), middle, unit


def _blurred(picture: torch.Tensor, inside: torch.Tensor, width: int) -> torch.Tensor:
    """Mean over squares of odd width of what lies inside; (H,W) both."""
    mask = inside.float()
    both = torch.stack([picture * mask, mask])[None]
    total, share = functional.avg_pool2d(both, width, stride=1, padding=width // 2)[0]
    return total / share.clamp_min(1e-6)

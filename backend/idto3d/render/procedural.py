# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment maps made from a seed: skies, studios, rooms, streets at night.

They take the place of photographed HDR maps, which can't be shipped: what matters for relighting
is the variety of where light comes from, how hard, how contrasty and of which colour.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .interiors import room
from .noise import dome_noise
from .panorama import directions, mean_luminance
from .random_draws import Draws, blackbody, saturated

HEIGHT, WIDTH = 64, 128


def procedural_environments(count: int = 60, seed: int = 0) -> list[Tensor]:
    """`count` linear equirectangular maps (64,128,3) float32 of mean luminance one.

    The kinds take turns, so that any dozen in a row is diverse; the same seed gives the same maps.
    """
    generator = torch.Generator().manual_seed(seed)
    # Drawn at twice the size and averaged: the edges of lamps fall between pixels.
    direction = directions(2 * HEIGHT, 2 * WIDTH)
    maps = []
    for index in range(count):
        drawn = KINDS[index % len(KINDS)](direction, Draws(generator)).clamp(min=0)
        small = drawn.view(HEIGHT, 2, WIDTH, 2, 3).mean((1, 3))
        maps.append(small / mean_luminance(small))
    return maps


def smoothstep(low: float, high: float, value: Tensor) -> Tensor:
    position = ((value - low) / (high - low)).clamp(0, 1)
    return position * position * (3 - 2 * position)


def glow(direction: Tensor, centre: Tensor, sharpness: float) -> Tensor:
    """(H,W,1) a lobe of height one around a unit vector; its width is about 1/sqrt(sharpness)."""
    cosine = (direction @ centre).unsqueeze(-1)
    return torch.exp(sharpness * (cosine - 1))


def panel(
    direction: Tensor, centre: Tensor, width: float, height: float, edge: float = 0.04
) -> Tensor:
    """(H,W,1) a lit rectangle facing the middle of the world, sizes as tangents of half angles."""
    up = torch.tensor([0.0, 1.0, 0.02])
    right = torch.nn.functional.normalize(torch.linalg.cross(up, centre), dim=0)
    upward = torch.linalg.cross(centre, right)
    depth = direction @ centre
    x, y = (direction @ right) / depth.abs(), (direction @ upward) / depth.abs()
    inside = smoothstep(0, edge, width - x.abs()) * smoothstep(0, edge, height - y.abs())
    return (inside * (depth > 0.02)).unsqueeze(-1)


def ground(direction: Tensor, sky: Tensor, colour: Tensor, roughness: Tensor) -> Tensor:
    """The sky above, the mottled ground below, with a soft horizon."""
    lower = smoothstep(-0.02, 0.02, -direction[..., 1:2])
    return torch.lerp(sky, colour * (0.75 + 0.5 * roughness), lower)


def clear_sky(direction: Tensor, draw: Draws) -> Tensor:
    """Blue above, pale at the horizon, a hard sun anywhere from low to high."""
    sun = draw.direction(low=15, high=75)
    height = direction[..., 1:2].clamp(0, 1)
    zenith = draw.vary(torch.tensor([0.16, 0.32, 0.75]), 0.2)
    horizon = draw.vary(torch.tensor([0.70, 0.85, 1.0]), 0.1)
    sky = torch.lerp(horizon, zenith, height**0.45)
    clouds = smoothstep(0.5, 0.8, dome_noise(direction, draw)) * draw.uniform(0, 1)
    sky = torch.lerp(sky, torch.tensor([1.3, 1.3, 1.3]), clouds)
    warm = blackbody(draw.uniform(4500, 6000))
    sky = sky + warm * (
        1.5 * glow(direction, sun, 12) + draw.uniform(100, 1500) * glow(direction, sun, 900)
    )
    tones = torch.tensor([[0.20, 0.24, 0.10], [0.35, 0.30, 0.24], [0.70, 0.62, 0.48],
                          [0.85, 0.88, 0.95], [0.25, 0.25, 0.26]])  # fmt: skip
    colour = draw.vary(tones[draw.integer(len(tones))], 0.15) * draw.uniform(0.7, 1.1)
    return ground(direction, sky, colour, dome_noise(direction, draw, 6))


def overcast(direction: Tensor, draw: Draws) -> Tensor:
    """CIE standard overcast sky, zenith three times the horizon, with cloud structure."""
    height = direction[..., 1:2].clamp(0, 1)
    clouds = 0.6 + 0.8 * dome_noise(direction, draw)
    sky = (1 + 2 * height) / 3 * clouds * blackbody(draw.uniform(6000, 9000))
    colour = draw.vary(torch.tensor([0.22, 0.21, 0.18]), 0.3) * draw.uniform(0.4, 1.4)
    return ground(direction, sky, colour, dome_noise(direction, draw, 6))


def sunset(direction: Tensor, draw: Draws) -> Tensor:
    """A low warm sun, the sky red towards it and blue away from it."""
    sun = draw.direction(low=1, high=12)
    toward = 0.5 + 0.5 * (direction @ sun).unsqueeze(-1)
    height = direction[..., 1:2].clamp(0, 1)
    near = draw.vary(torch.tensor([1.0, 0.45, 0.18]), 0.2)
    far = draw.vary(torch.tensor([0.25, 0.22, 0.42]), 0.2)
    zenith = draw.vary(torch.tensor([0.10, 0.16, 0.38]), 0.2)
    sky = torch.lerp(torch.lerp(far, near, toward**2), zenith, height**0.5)
    streaks = smoothstep(0.4, 0.8, dome_noise(direction * torch.tensor([1, 4, 1]), draw))
    sky = torch.lerp(sky, near * 1.4, 0.6 * streaks * toward)
    warm = blackbody(draw.uniform(2200, 3500))
    sky = sky + warm * (
        2.5 * glow(direction, sun, 15) + draw.uniform(15, 300) * glow(direction, sun, 500)
    )
    colour = torch.lerp(draw.vary(torch.tensor([0.10, 0.09, 0.08]), 0.3), near * 0.3, toward**4)
    return ground(direction, sky, colour, dome_noise(direction, draw, 6))


def forest(direction: Tensor, draw: Draws) -> Tensor:
    """Light through leaves: bright gaps overhead, green around, brown below."""
    height = direction[..., 1:2]
    leaves = draw.vary(torch.tensor([0.12, 0.22, 0.05]), 0.25)
    noise = dome_noise(direction, draw, 7)
    gaps = smoothstep(0.50, 0.65, noise + 0.25 * height.clamp(-0.5, 1))
    trunks = smoothstep(0.55, 0.7, dome_noise(direction * torch.tensor([1, 0.1, 1]), draw, 9))
    sky = torch.lerp(leaves * (0.5 + noise), torch.tensor([2.2, 2.6, 2.8]), gaps)
    sky = sky * (1 - 0.7 * trunks * smoothstep(0.5, 0.2, height.abs()))
    sun = draw.direction(low=30, high=80)
    sky = sky + blackbody(5200) * draw.uniform(0, 60) * glow(direction, sun, 250) * noise
    return ground(direction, sky, draw.vary(torch.tensor([0.14, 0.11, 0.06]), 0.2), noise)


def studio(direction: Tensor, draw: Draws) -> Tensor:
    """Two to four soft boxes around a grey or dark studio, a key light stronger than the rest."""
    backdrop = draw.uniform(0.02, 0.5) * draw.vary(torch.ones(3), 0.08)
    scene = backdrop * (0.7 + 0.3 * direction[..., 1:2])
    for index in range(2 + draw.integer(3)):
        centre = draw.direction(low=-10, high=65)
        strength = draw.uniform(8, 30) * (1.0 if index == 0 else draw.uniform(0.1, 0.6))
        box = panel(direction, centre, draw.uniform(0.12, 0.5), draw.uniform(0.15, 0.7), 0.08)
        scene = scene + strength * blackbody(draw.uniform(4200, 7500)) * box
    floor = smoothstep(0.3, 0.6, -direction[..., 1:2])
    return torch.lerp(scene, backdrop * draw.uniform(0.2, 1.5), floor)


def portrait_light(direction: Tensor, draw: Draws) -> Tensor:
    """One large source before the person, ring, umbrella or clamshell, and a rim light behind."""
    scene = torch.full_like(direction, draw.uniform(0.03, 0.2))
    centre = draw.direction(low=-5, high=50, spread=60)
    colour = blackbody(draw.uniform(3800, 7000))
    kind = draw.integer(3)
    if kind == 0:
        cosine = (direction @ centre).unsqueeze(-1)
        ring = smoothstep(0.90, 0.93, cosine) * smoothstep(0.985, 0.965, cosine)
        scene = scene + 20 * colour * ring
    elif kind == 1:
        scene = scene + 8 * colour * glow(direction, centre, draw.uniform(6, 20))
    else:
        above = torch.nn.functional.normalize(centre + torch.tensor([0.0, 0.8, 0.0]), dim=0)
        below = torch.nn.functional.normalize(centre - torch.tensor([0.0, 0.9, 0.0]), dim=0)
        scene = scene + 12 * colour * panel(direction, above, 0.5, 0.25)
        scene = scene + 5 * colour * panel(direction, below, 0.5, 0.2)
    behind = draw.direction(low=5, high=50, spread=50) * torch.tensor([1.0, 1.0, -1.0])
    rim = draw.uniform(0, 25) * blackbody(draw.uniform(3500, 9000))
    return scene + rim * panel(direction, behind, 0.12, 0.45)


def coloured_lights(direction: Tensor, draw: Draws) -> Tensor:
    """A club or a film set: strong colours from different sides in the dark."""
    scene = torch.full_like(direction, 0.03) * draw.vary(torch.ones(3), 0.3)
    hue = draw.uniform(0, 1)
    for index in range(2 + draw.integer(3)):
        colour = saturated(
            hue + (0.5 if index == 1 else draw.uniform(0, 1)), draw.uniform(0.4, 0.9)
        )
        centre = draw.direction(low=-30, high=60)
        scene = scene + draw.uniform(3, 12) * colour * glow(direction, centre, draw.uniform(8, 60))
    return scene + 0.06 * dome_noise(direction, draw, 5) * saturated(hue, 0.5)


def night_street(direction: Tensor, draw: Draws) -> Tensor:
    """Many small lamps along the horizon, warm or white, over dark asphalt."""
    height = direction[..., 1:2]
    scene = torch.tensor([0.02, 0.025, 0.05]) * (1 + height.clamp(0, 1))
    facades = smoothstep(0.45, 0.0, height.abs()) * dome_noise(direction, draw, 12)
    scene = scene + 0.15 * facades * blackbody(3000)
    for _ in range(8 + draw.integer(10)):
        centre = draw.direction(low=-4, high=40)
        colour = torch.lerp(
            blackbody(draw.uniform(2000, 6500)), saturated(draw.uniform(0, 1), 0.8),
            0.6 * float(draw.integer(4) == 0),
        )  # fmt: skip
        size = draw.uniform(0.02, 0.10)
        lamp = panel(direction, centre, size, size * draw.uniform(0.5, 3), 0.02)
        scene = scene + draw.uniform(10, 60) * colour * lamp
    below = torch.tensor([0.08, 0.07, 0.06]) * (0.5 + dome_noise(direction, draw, 4))
    return torch.lerp(scene, below, smoothstep(0.0, 0.05, -height))


Kind = Callable[[Tensor, Draws], Tensor]
# In turn; rooms and studios, where portraits are mostly taken, come more than once.
KINDS: tuple[Kind, ...] = (
    clear_sky, studio, room, sunset, portrait_light, overcast,
    room, coloured_lights, forest, studio, room, night_street,
)  # fmt: skip

# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms seen from where a person stands: a box with windows, lamps and painted walls."""

import torch
from torch import Tensor

from .noise import dome_noise
from .random_draws import Draws, blackbody


def room(direction: Tensor, draw: Draws) -> Tensor:
    """Daylight through windows in one or two walls, or lamps on the ceiling, or both."""
    # The room's walls lie at these distances in metres from the eyes of a person.
    lower = -torch.tensor([draw.uniform(0.8, 4), draw.uniform(1.4, 1.7), draw.uniform(0.8, 4)])
    upper = torch.tensor([draw.uniform(0.8, 4), draw.uniform(0.8, 1.8), draw.uniform(0.8, 4)])
    position, wall = _walls(direction, lower, upper)
    wall_colour = draw.vary(torch.tensor([0.55, 0.50, 0.44]), 0.2).clamp(max=0.9)
    floor_colour = draw.vary(torch.tensor([0.30, 0.20, 0.12]), 0.4).clamp(max=0.8)
    kind = draw.integer(3)
    daylight, lamps = kind != 1, kind != 0
    bounce = draw.uniform(0.15, 0.5)
    surface = torch.where(wall == 3, torch.tensor([0.8, 0.8, 0.78]), wall_colour)
    surface = torch.where(wall == 2, floor_colour, surface)
    # Things along the walls: darker and lighter patches where furniture would be.
    clutter = dome_noise(position, draw, 2.0)
    scene = bounce * surface * (0.5 + clutter)
    light = torch.zeros(3)
    if daylight:
        sky = blackbody(draw.uniform(5500, 9000)) * draw.uniform(6, 25)
        for _ in range(1 + draw.integer(3)):
            side = (0, 1, 4, 5)[draw.integer(4)]
            scene = torch.where(_window(position, wall, side, draw), _view(position, sky), scene)
        light = light + 0.02 * sky
    if lamps:
        colour = blackbody(draw.uniform(2500, 5500))
        strength = draw.uniform(10, 50)
        for _ in range(1 + draw.integer(4)):
            size, along = draw.uniform(0.08, 0.3), draw.uniform(1, 5)
            x, z = draw.uniform(-1.5, 1.5), draw.uniform(-1.5, 1.5)
            away_x, away_z = (position[..., 0:1] - x).abs(), (position[..., 2:3] - z).abs()
            lit = (wall == 3) & (away_x < size) & (away_z < size * along)
            scene = torch.where(lit, strength * colour, scene)
            halo = torch.exp(-2 * (away_x**2 + away_z**2)) * (wall == 3)
            scene = scene + 0.03 * strength * halo * colour
        light = light + 0.01 * strength * colour
    return scene + light * surface * draw.uniform(0.3, 1)


def _walls(direction: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays from the origin leave a box: position (H,W,3) and wall (H,W,1).

    Walls: 0 is -X, 1 is +X, 2 the floor, 3 the ceiling, 4 is -Z, 5 is +Z.
    """
    bound = torch.where(direction > 0, upper, lower)
    distance = bound / torch.where(direction.abs() < 1e-6, 1e-6, direction)
    distance = torch.where(direction.abs() < 1e-6, torch.inf, distance)
    nearest, axis = distance.min(-1, keepdim=True)
    positive = direction.gather(-1, axis) > 0
    return direction * nearest, 2 * axis + positive.long()


def _window(position: Tensor, wall: Tensor, side: int, draw: Draws) -> Tensor:
    """(H,W,1) bool: the panes of a window in this wall, with bars between them."""
    along = position[..., 2:3] if side in (0, 1) else position[..., 0:1]
    height = position[..., 1:2]
    centre, half = draw.uniform(-1, 1), draw.uniform(0.35, 1.2)
    sill, top = draw.uniform(-1.2, -0.3), draw.uniform(0.4, 1.0)
    inside = (wall == side) & ((along - centre).abs() < half) & (height > sill) & (height < top)
    bars = ((along - centre + half) / draw.uniform(0.4, 0.8)).frac() < 0.06
    crossbar = (height - (sill + top) / 2).abs() < 0.03
    return inside & ~bars & ~crossbar


def _view(position: Tensor, sky: Tensor) -> Tensor:
    """What a window shows: sky above eye level, a darker street or garden below."""
    below = torch.sigmoid(-20 * position[..., 1:2])
    return torch.lerp(sky.expand_as(position), sky * torch.tensor([0.18, 0.20, 0.14]), below)

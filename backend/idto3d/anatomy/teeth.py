# SPDX-License-Identifier: GPL-3.0-or-later
"""Two dental arches: fourteen teeth each and their gums, in centimetres.

Widths and heights of the crowns are the textbook's means (Wheeler's Dental Anatomy), the arch is a
cubic parabola. Space of an arch: x to the person's left, y up, z to the front; the origin lies in
the middle between the first incisors, at their edges. Each arch is made for the upper jaw and
mirrored in y for the lower one.
"""

from dataclasses import dataclass

import numpy as np

from idto3d.anatomy.pieces import Piece, grid_faces

ENAMEL_AT_GUM = np.array([0.74, 0.66, 0.53])
ENAMEL = np.array([0.81, 0.77, 0.68])
ENAMEL_AT_EDGE = np.array([0.77, 0.76, 0.72])
GUM = np.array([0.62, 0.34, 0.33])
ENAMEL_ROUGHNESS, GUM_ROUGHNESS = 0.28, 0.38
FRONT_LIGHT, BACK_LIGHT = 0.62, 0.32  # ambient visibility from the incisors to the last molars


@dataclass(frozen=True)
class Profile:
    """How a kind of crown is lofted: rings of superellipses from below the gum to the edge."""

    segments: int  # around each ring
    heights: tuple[float, ...]  # of the rings, as a share of the crown's height
    widths: tuple[float, ...]  # along the arch, as a share of the crown's width
    depths: tuple[float, ...]  # across the arch, as a share of the crown's depth
    lean: float  # share of the depth's loss that the inner side takes: 1 leaves the outside upright
    point: float  # how much lower the edge's ends are than its middle, a share of the height
    cusps: float  # how much lower the valleys between cusps are
    hollow: float  # how much lower the middle of the biting surface is


INCISOR = Profile(
    10, (-0.2, 0.1, 0.45, 0.8, 1.0), (0.78, 0.86, 0.97, 1.02, 0.96), (0.9, 1.0, 0.8, 0.48, 0.24),
    0.82, 0.0, 0.0, 0.0,
)  # fmt: skip
CANINE = Profile(
    10, (-0.2, 0.1, 0.45, 0.8, 1.0), (0.78, 0.88, 1.02, 0.98, 0.62), (0.9, 1.0, 0.86, 0.6, 0.3),
    0.75, 0.12, 0.0, 0.0,
)  # fmt: skip
PREMOLAR = Profile(
    8, (-0.2, 0.35, 0.8, 1.0), (0.8, 0.98, 1.02, 0.76), (0.9, 1.0, 0.92, 0.56), 0.5, 0.12, 0.0, 0.28
)
MOLAR = Profile(
    8,
    (-0.2, 0.35, 0.8, 1.0),
    (0.86, 0.99, 1.02, 0.82),
    (0.92, 1.0, 0.95, 0.66),
    0.5,
    0.0,
    0.14,
    0.24,
)


@dataclass(frozen=True)
class Crown:
    """One tooth of the upper jaw, or of the lower one upside down; lengths in centimetres."""

    profile: Profile
    width: float  # along the arch
    depth: float  # across it
    height: float  # from the gum to the edge
    lift: float = 0.0  # how far the edge stays above the plane of the incisors' edges


UPPER = (
    Crown(INCISOR, 0.85, 0.66, 1.02),
    Crown(INCISOR, 0.66, 0.58, 0.88, 0.07),
    Crown(CANINE, 0.76, 0.74, 0.98, 0.0),
    Crown(PREMOLAR, 0.70, 0.88, 0.84, 0.04),
    Crown(PREMOLAR, 0.67, 0.88, 0.78, 0.06),
    Crown(MOLAR, 1.00, 1.05, 0.74, 0.06),
    Crown(MOLAR, 0.92, 1.05, 0.68, 0.04),
)
LOWER = (
    Crown(INCISOR, 0.52, 0.56, 0.86),
    Crown(INCISOR, 0.57, 0.58, 0.86, 0.02),
    Crown(CANINE, 0.68, 0.70, 0.95, 0.0),
    Crown(PREMOLAR, 0.70, 0.76, 0.74, 0.2),
    Crown(PREMOLAR, 0.71, 0.80, 0.70, 0.24),
    Crown(MOLAR, 1.08, 1.00, 0.66, 0.26),
    Crown(MOLAR, 1.00, 1.00, 0.62, 0.26),
)


@dataclass(frozen=True)
class Arch:
    """The line that the middles of the crowns stand on: z = -depth (|x| / half_width)^3."""

    half_width: float  # of the line where it is `depth` behind its front
    depth: float

    def places(self, crowns: tuple[Crown, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Where crowns stand, one half of the arch: middles (N,) and borders (N+1,) as x."""
        x = np.linspace(0.0, 2.0 * self.half_width, 4001)
        length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(self.at(x)[:, 2])))])
        borders = np.cumsum([0.0, *(crown.width for crown in crowns)])
        middles = 0.5 * (borders[:-1] + borders[1:])
        return np.interp(middles, length, x), np.interp(borders, length, x)

    def at(self, x: np.ndarray) -> np.ndarray:
        """Points (N,3) of the line at x (N,)."""
        return np.stack(
            [x, np.zeros_like(x), -self.depth * (np.abs(x) / self.half_width) ** 3], axis=1
        )

    def outward(self, x: np.ndarray) -> np.ndarray:
        """Unit vectors (N,3) square to the line, towards the lips and cheeks."""
        slope = 3 * self.depth * np.sign(x) * x**2 / self.half_width**3
        vector = np.stack([slope, np.zeros_like(x), np.ones_like(x)], axis=1)
        return vector / np.linalg.norm(vector, axis=1, keepdims=True)


UPPER_ARCH = Arch(2.3, 3.1)
LOWER_ARCH = Arch(2.12, 2.95)


def arch_pieces(crowns: tuple[Crown, ...], arch: Arch, lower: bool) -> list[Piece]:
    """The arch's teeth from the person's right to the left, and its gum last."""
    middles, _ = arch.places(crowns)
    pieces = []
    for side in (-1.0, 1.0):
        order = range(len(crowns)) if side > 0 else reversed(range(len(crowns)))
        for index in order:
            share = index / (len(crowns) - 1)
            x = np.array([side * middles[index]])
            pieces.append(_crown(crowns[index], arch.at(x)[0], arch.outward(x)[0], share))
    pieces.append(_gum(crowns, arch, palate=not lower))
    return [_mirrored(piece) for piece in pieces] if lower else pieces


def outer_points(crowns: tuple[Crown, ...], arch: Arch, lower: bool) -> np.ndarray:
    """Points (N,2,3) of the sides that face lips and cheeks, from the first incisors backwards.

    For each of the N teeth one point at the edge and one half way to the gum.
    """
    pieces = arch_pieces(crowns, arch, lower)[:-1]
    points = []
    for piece, crown in zip(pieces, (*reversed(crowns), *crowns), strict=True):
        rings, around = len(crown.profile.heights), crown.profile.segments + 1
        grid = piece.vertices[: rings * around].reshape(rings, around, 3)
        outside = grid[:, crown.profile.segments // 2]  # the cut is on the inside
        points.append(outside[[-3, -1]])
    order = np.argsort([abs(index - len(crowns) + 0.5) for index in range(len(points))])
    return np.stack(points)[order]


def _crown(crown: Crown, place: np.ndarray, outward: np.ndarray, share: float) -> Piece:
    """A tooth of the upper jaw. share: 0 for the first incisor, 1 for the last molar."""
    profile = crown.profile
    rings, segments = len(profile.heights), profile.segments
    angle = np.linspace(-np.pi, np.pi, segments + 1)
    along, across = _superellipse(angle)
    height, width, depth = (
        np.array(values)[:, None] for values in (profile.heights, profile.widths, profile.depths)
    )
    upper = np.clip((height - 0.8) / 0.2, 0.0, 1.0)
    low = profile.point * np.sin(angle) ** 2 + profile.cusps * np.cos(2 * angle) ** 2
    height = height - upper * low
    shift = 0.5 * crown.depth * (profile.lean * 2 - 1) * (1 - depth) * (height > 0)
    tangent = np.array([outward[2], 0.0, -outward[0]])
    sideways = 0.5 * crown.width * width * along
    forward = 0.5 * crown.depth * depth * across + shift
    drop = crown.lift + crown.height * (1 - height)
    grid = (
        place
        + sideways[..., None] * tangent
        + forward[..., None] * outward
        + drop[..., None] * np.array([0.0, 1.0, 0.0])
    )
    bite = grid[-1, :-1].mean(axis=0) + [0.0, profile.hollow * crown.height, 0.0]
    vertices = np.concatenate([grid.reshape(-1, 3), bite[None]])
    last = (rings - 1) * (segments + 1)
    column = np.arange(segments)
    fan = np.stack([last + column + 1, last + column, np.full(segments, len(vertices) - 1)], axis=1)
    u = np.tile(np.linspace(0, 1, segments + 1), rings)
    v = np.repeat(np.linspace(0, 0.85, rings), segments + 1)
    number = np.arange(rings * (segments + 1)).reshape(rings, -1)
    number[:, -1] = number[:, 0]
    tall = np.broadcast_to(height, grid.shape[:2]).ravel()
    return Piece(
        vertices,
        np.concatenate([grid_faces(rings, segments + 1)[:, ::-1], fan]),
        np.stack([np.append(u, 0.5), np.append(v, 1.0)], axis=1),
        np.unique(np.append(number.ravel(), number.size), return_inverse=True)[1],
        _enamel(np.append(tall, 1.0 - profile.hollow), share),
        np.full(len(vertices), _light(np.array(share))),
    )


def _superellipse(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Along and across the arch, both in [-1,1]: rounder than a box, squarer than an ellipse."""
    sine, cosine = np.sin(angle), np.cos(angle)
    power = 2 / 2.7
    along = np.sign(sine) * np.abs(sine) ** power
    across = np.sign(cosine) * np.abs(cosine) ** power
    return along / np.abs(along).max(), across


def _enamel(height: np.ndarray, share: float) -> np.ndarray:
    """Materials (N,5): warmer at the gum and further back, greyer at the translucent edge."""
    stops = np.stack([ENAMEL_AT_GUM, ENAMEL, ENAMEL, ENAMEL_AT_EDGE])
    colour = np.stack(
        [np.interp(height, [0.0, 0.35, 0.8, 1.0], channel) for channel in stops.T], axis=1
    )
    colour = colour * (1 - share * np.array([0.06, 0.08, 0.12]))
    return np.column_stack([colour, np.full(len(height), ENAMEL_ROUGHNESS), np.zeros(len(height))])


def _light(share: np.ndarray) -> np.ndarray:
    """Ambient visibility in an open mouth; share () or (N,) as in `_crown`."""
    return FRONT_LIGHT + (BACK_LIGHT - FRONT_LIGHT) * share


def _gum(crowns: tuple[Crown, ...], arch: Arch, palate: bool) -> Piece:
    """The gum around the necks, and the palate between its halves."""
    middles, borders = arch.places(crowns)
    stations, heights, depths, papilla, shares = [], [], [], [], []
    for index, crown in enumerate(crowns):
        beside = crowns[max(index - 1, 0)]
        stations += [borders[index], middles[index]]
        heights += [
            0.5 * (crown.height + crown.lift + beside.height + beside.lift),
            crown.height + crown.lift,
        ]
        depths += [0.5 * (crown.depth + beside.depth), crown.depth]
        papilla += [1.0, 0.0]
        shares += [max(index - 0.5, 0.0), float(index)]
    stations.append(borders[-1])
    heights.append(crowns[-1].height + crowns[-1].lift)
    depths.append(crowns[-1].depth)
    papilla.append(0.0)
    shares.append(float(len(crowns) - 1))
    half = np.stack([stations, heights, depths, papilla, np.array(shares) / (len(crowns) - 1)])
    mirrored = half[:, :0:-1] * np.array([[-1.0], [1.0], [1.0], [1.0], [1.0]])
    x, high, deep, between, share = np.concatenate([mirrored, half], axis=1)
    base, outward = arch.at(x), arch.outward(x)
    edge = 0.5 * deep * (1 - 0.2 * between)
    margin = high - 0.26 * between * (1 - 0.4 * share)
    rows = [
        (0.5 * deep - 0.04, high + (0.8 if palate else 0.4)),
        (0.5 * deep + 0.08, high + 0.22),
        (edge + 0.035, margin - 0.02),
        (-edge - 0.02, margin - 0.02),
        (-0.5 * deep - 0.12, high + 0.35),
        (-0.5 * deep - 0.5, high + 0.95),
    ]
    up = np.array([0.0, 1.0, 0.0])
    grid = np.stack([base + out[:, None] * outward + tall[:, None] * up for out, tall in rows])
    if palate:
        rise = 0.7 * np.clip(-base[:, 2] / 2.0, 0.0, 1.0)
        vault = grid[-1] * np.array([0.0, 1.0, 1.0]) + rise[:, None] * up
        grid = np.concatenate([grid, vault[None]])
    count, columns = grid.shape[:2]
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, count))
    light = np.array([0.8, 0.9, 1.0, 0.9, 0.75, 0.6, 0.5])[:count, None] * _light(share)[None]
    colour = np.broadcast_to(GUM, (count * columns, 3))
    # Along a row is to the left, to the next row is backwards over the edge.
    return Piece(
        grid.reshape(-1, 3),
        grid_faces(count, columns)[:, ::-1],
        np.stack([u.ravel(), v.ravel()], axis=1),
        np.arange(count * columns),
        np.column_stack(
            [colour, np.full(count * columns, GUM_ROUGHNESS), np.zeros(count * columns)]
        ),
        light.ravel(),
    )


def _mirrored(piece: Piece) -> Piece:
    return Piece(
        piece.vertices * np.array([1.0, -1.0, 1.0]),
        piece.faces[:, ::-1],
        piece.uv * [-1.0, 1.0] + [1.0, 0.0],  # so that paint isn't mirrored
        piece.original,
        piece.material,
        piece.occlusion,
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyelashes: thin tapered tubes that grow out of the lids' edges and follow them in every pose.

Lengths are in face centimetres. A lash bends in the plane of the lid's edge's outward direction
(away from the eyeball's middle) and the lid's own (up for the upper lid), so it turns with the lid
when the eye closes.
"""

from dataclasses import dataclass

import numpy as np

from idto3d.anatomy.edges import edge_graph, way_along
from idto3d.anatomy.flesh import Flesh
from idto3d.anatomy.pieces import Piece, grid_faces
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, SKIN, face_centimetre
from idto3d.head.template import Template

LASH_ROUGHNESS = 0.55
_CORNERS = 3  # of a lash's cross-section
# Degrees that the lashes of a lid may be turned together when they would touch skin.
_TILTS = (0, 8, -8, 16, -16, 24, -24, 36, -36, 48, -48, 60, -60)
_TUCKED = 0.12  # of its length is left to a lash that has no room at all
_SUNK = 0.03  # how deep the roots lie in the lid
_AROUND = 3.5  # from the eye's middle: the skin that can be in the lashes' way
_OPEN = 0.08  # between the lids: less, and the upper one lies on the lower one's lashes
_SAME_PATCH = 0.06  # skin as near as this to a root is what the lash grows from


@dataclass(frozen=True)
class LashRow:
    """The lashes of one kind of lid; angles in degrees."""

    count: int
    stations: tuple[float, ...]  # along a lash, of its rings and its tip
    span: tuple[float, float]  # of the lid's edge, from the inner to the outer corner
    length: float  # of the longest
    thickness: float  # at the root
    lift: float  # from outward to the lid's own direction, at the root
    curl: float  # more of it at the tip
    fan: float  # how far the outermost ones turn to the side
    up: float  # 1 for the upper lid, -1 for the lower


UPPER = LashRow(34, (0.0, 0.33, 0.67, 1.0), (0.14, 0.88), 0.8, 0.036, -8.0, 58.0, 38.0, 1.0)
LOWER = LashRow(20, (0.0, 0.5, 1.0), (0.22, 0.85), 0.36, 0.022, 10.0, 34.0, 30.0, -1.0)


@dataclass(frozen=True)
class Lid:
    """The edge of one lid, from the inner to the outer corner of the eye."""

    row: LashRow
    eye: int  # the eyeball's part in the template
    vertices: np.ndarray  # (n,) of the head, in order
    length: np.ndarray  # (n,) how far along the edge each lies, in [0,1]


def lid_edges(template: Template) -> tuple[Lid, ...]:
    """Right upper, right lower, left upper and left lower lid.

    The landmarks lie on the edges; between them the shortest way along the mesh is taken. It is
    sought on the mean head, so everybody's lashes grow from the same vertices.
    """
    positions = template.mean.numpy().astype(np.float64)
    part, faces = template.part.numpy(), template.faces.numpy()
    graph = edge_graph(positions, faces[part[faces[:, 0]] == SKIN])
    cm = face_centimetre(positions[template.landmarks.numpy()])
    corners = (
        (UPPER, RIGHT_EYE, (39, 38, 37, 36)),
        (LOWER, RIGHT_EYE, (39, 40, 41, 36)),
        (UPPER, LEFT_EYE, (42, 43, 44, 45)),
        (LOWER, LEFT_EYE, (42, 47, 46, 45)),
    )
    lids = []
    for row, eye, marks in corners:
        ball = positions[part == eye].mean(axis=0)
        way = way_along(graph, template.landmarks.numpy()[list(marks)])
        way = _front_of(positions, part == SKIN, way, ball, row.up, cm)
        steps = np.linalg.norm(np.diff(positions[way], axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
        lids.append(Lid(row, eye, way, length))
    return tuple(lids)


def _front_of(
    positions: np.ndarray, skin: np.ndarray, way: np.ndarray, ball: np.ndarray, up: float, cm: float
) -> np.ndarray:
    """The lid's front edge beside its rim `way` (n,): what lies farthest out there.

    The rim is a band as wide as a lid is thick, and lashes grow from where it meets the skin.
    """
    out = _unit(positions[way].mean(axis=0) - ball)
    towards = _unit(out - 0.5 * up * np.array([0.0, 1.0, 0.0]))
    front = []
    for place in positions[way]:
        offset = positions - place
        candidates = skin & (np.linalg.norm(offset, axis=1) < 0.42 * cm)
        candidates &= np.abs(offset[:, 0]) < 0.14 * cm
        number = np.flatnonzero(candidates)
        front.append(int(number[(offset[number] @ towards).argmax()]))
    found = np.array(front)
    # Several vertices of the rim may lie beside one of the front edge.
    return found[np.concatenate([[True], found[1:] != found[:-1]])]


def lash_pieces(row: LashRow, colour: np.ndarray) -> list[Piece]:
    """The texture and faces of a row of lashes; their vertices are all at zero.

    colour (3,) sRGB. Vertices go ring by ring from the root, each ring once around and its first
    again, the tip last.
    """
    rings, around = len(row.stations) - 1, _CORNERS + 1
    count = rings * around + 1
    last = (rings - 1) * around
    column = np.arange(_CORNERS)
    tip = np.stack([last + column, last + column + 1, np.full(_CORNERS, count - 1)], axis=1)
    number = np.arange(rings * around).reshape(rings, around)
    number[:, -1] = number[:, 0]
    u = np.append(np.tile(np.linspace(1, 0, around), rings), 0.5)
    v = np.append(np.repeat(row.stations[:-1], around), 1.0)
    material = np.concatenate([colour, [LASH_ROUGHNESS, 0.0]])
    piece = Piece(
        np.zeros((count, 3)),
        np.concatenate([grid_faces(rings, around), tip]),
        np.stack([u, v], axis=1),
        np.unique(np.append(number.ravel(), number.size), return_inverse=True)[1],
        np.tile(material, (count, 1)),
        np.ones(count),
    )
    return [piece] * row.count


def pose_lashes(template: Template, poses: np.ndarray, lids: tuple[Lid, ...]) -> list[np.ndarray]:
    """Where the lashes of each lid are: (K,count,U,3) in the order of `lash_pieces`.

    poses (K,V,3) of the template's topology, unit space.
    """
    part = template.part.numpy()
    faces = template.faces.numpy()
    skin = faces[part[faces[:, 0]] == SKIN]
    marks = poses[0, template.landmarks.numpy()].astype(np.float64)
    cm = face_centimetre(marks)
    posed = []
    for index, lid in enumerate(lids):
        balls = poses[:, part == lid.eye].mean(axis=1)
        near = np.linalg.norm(poses[0] - balls[0], axis=1) < _AROUND * cm
        strands = []
        for pose, ball in zip(poses, balls, strict=True):
            roots = _Roots.of(lid, pose.astype(np.float64), ball.astype(np.float64))
            covered = np.zeros(lid.row.count, dtype=bool)
            if lid.row.up < 0:
                covered = _covered(roots, pose[lids[index - 1].vertices], cm)
            strands.append(_grow(lid.row, roots, covered, Flesh(pose, skin, near), cm))
        posed.append(np.stack(strands))
    return posed


@dataclass(frozen=True)
class _Roots:
    """Where the lashes of a lid start in one pose, and the directions there, all (count,3)."""

    point: np.ndarray
    along: np.ndarray  # the lid's edge, to the outer corner
    out: np.ndarray  # away from the eyeball's middle
    lid: np.ndarray  # square to both: up for the upper lid

    @staticmethod
    def of(lid: Lid, pose: np.ndarray, ball: np.ndarray) -> "_Roots":
        wanted = np.linspace(*lid.row.span, lid.row.count)
        edge = pose[lid.vertices]

        def at(where: np.ndarray) -> np.ndarray:
            return np.stack([np.interp(where, lid.length, axis) for axis in edge.T], axis=1)

        point = at(wanted)
        along = _unit(at(np.minimum(wanted + 0.12, 1.0)) - at(np.maximum(wanted - 0.12, 0.0)))
        out = point - ball
        out = _unit(out - (out * along).sum(axis=1, keepdims=True) * along)
        across = np.cross(along, out)
        side = np.sign(across[:, 1].sum()) * lid.row.up
        return _Roots(point, along, out, side * across)


def _covered(roots: _Roots, upper: np.ndarray, cm: float) -> np.ndarray:
    """Which lashes (count,) of a lower lid the upper one, its edge (n,3), lies upon."""
    beside = np.abs(roots.point[:, None] - upper[None])[..., 0].argmin(axis=1)
    opening = ((roots.point - upper[beside]) * roots.lid).sum(axis=1)
    return opening < _OPEN * cm


def _grow(row: LashRow, roots: _Roots, covered: np.ndarray, flesh: Flesh, cm: float) -> np.ndarray:
    """The lashes of a lid in one pose (count,U,3), turned out of the way of the skin."""
    whole = np.ones(row.count)
    blocked = np.stack(
        [_blocked(_lines(row, roots, np.float64(tilt), whole, cm), flesh, cm) for tilt in _TILTS]
    )
    common = _TILTS[int(blocked.sum(axis=1).argmin())]
    # Each lash takes the free angle that is nearest to the one most of them take.
    nearest = np.abs(np.array(_TILTS) - common)[:, None] + 1000 * blocked
    tilt = np.array(_TILTS)[nearest.argmin(axis=0)].astype(np.float64)
    share = np.where(blocked.all(axis=0) | covered, _TUCKED, 1.0)
    return _tubes(row, roots, _lines(row, roots, tilt, share, cm), cm)


def _blocked(lines: np.ndarray, flesh: Flesh, cm: float) -> np.ndarray:
    """Which lashes (count,) run into skin beyond their roots."""
    away = lines[:, 1:]
    room = flesh.room(away.reshape(-1, 3)).reshape(away.shape[:2])
    return np.asarray((room < 0.2 * _SAME_PATCH * cm).any(axis=1))


def _lines(row: LashRow, roots: _Roots, tilt: float, share: np.ndarray, cm: float) -> np.ndarray:
    """The lashes' middle lines (count,stations,3). tilt () or (count,) degrees; share (count,) of
    their length."""
    generator = np.random.default_rng(row.count)  # the same for everybody
    uneven = generator.uniform(-1.0, 1.0, (4, row.count))
    place = np.linspace(0.0, 1.0, row.count)
    # Short towards the nose, longest at two thirds.
    length = row.length * cm * (0.55 + 0.45 * np.sin(np.pi * np.clip(0.15 + 0.75 * place, 0, 1)))
    length = length * (1 + 0.14 * uneven[0]) * share
    lift = row.lift + tilt + 5.0 * uneven[1]
    fan = row.fan * (2 * place - 1) + 7.0 * uneven[2]
    # One that is drawn in lies deeper, so that its root doesn't show on the lid either.
    depth = (_SUNK + 0.2 * (1 - share)) * cm
    points = [roots.point - depth[:, None] * roots.out]
    for start, end in zip(row.stations[:-1], row.stations[1:], strict=True):
        angle = np.radians(lift + row.curl * (0.5 * (start + end)) * (1 + 0.2 * uneven[3]))
        side = np.radians(fan * (0.4 + 0.6 * end))
        forward = np.cos(angle)[:, None] * roots.out + np.sin(angle)[:, None] * roots.lid
        way = np.cos(side)[:, None] * forward + np.sin(side)[:, None] * roots.along
        points.append(points[-1] + ((end - start) * length)[:, None] * way)
    return np.stack(points, axis=1)


def _tubes(row: LashRow, roots: _Roots, lines: np.ndarray, cm: float) -> np.ndarray:
    """Tapered tubes (count,U,3) around middle lines (count,stations,3)."""
    way = _unit(np.gradient(lines, axis=1))
    across = _unit(np.cross(way, roots.along[:, None]))
    beside = np.cross(across, way)
    angle = 2 * np.pi * np.arange(_CORNERS + 1) / _CORNERS
    taper = 0.5 * row.thickness * cm * (1 - 0.85 * np.array(row.stations[:-1]))
    circle = (
        np.cos(angle)[:, None] * beside[:, :-1, None]
        + np.sin(angle)[:, None] * across[:, :-1, None]
    )
    rings = lines[:, :-1, None] + taper[:, None, None] * circle
    return np.concatenate([rings.reshape(len(lines), -1, 3), lines[:, -1:]], axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)

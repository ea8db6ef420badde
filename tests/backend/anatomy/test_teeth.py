# SPDX-License-Identifier: GPL-3.0-or-later
"""The two arches on their own."""

import numpy as np
import pytest

from idto3d.anatomy.pieces import Piece
from idto3d.anatomy.teeth import (
    LOWER,
    LOWER_ARCH,
    UPPER,
    UPPER_ARCH,
    Arch,
    Crown,
    arch_pieces,
    outer_points,
)

ARCHES = [(UPPER, UPPER_ARCH, False), (LOWER, LOWER_ARCH, True)]


def _normals(piece: Piece) -> np.ndarray:
    a, b, c = piece.vertices[piece.faces].transpose(1, 0, 2)
    return np.cross(b - a, c - a)


@pytest.mark.parametrize(("crowns", "arch", "lower"), ARCHES)
def test_fourteen_teeth_look_outwards(crowns: tuple[Crown, ...], arch: Arch, lower: bool) -> None:
    *teeth, gum = arch_pieces(crowns, arch, lower)
    assert len(teeth) == 14
    for tooth in teeth:
        middles = tooth.vertices[tooth.faces].mean(axis=1)
        outward = ((middles - tooth.vertices.mean(axis=0)) * _normals(tooth)).sum(axis=1)
        assert (outward > 0).mean() > 0.95
    # The gum's outside looks to the lips where it is before the teeth's middles.
    middles = gum.vertices[gum.faces].mean(axis=1)
    front = (np.abs(middles[:, 0]) < 0.3) & (middles[:, 2] > 0.25)
    assert front.sum() >= 2 and (_normals(gum)[front, 2] > 0).all()


@pytest.mark.parametrize(("crowns", "arch", "lower"), ARCHES)
def test_neighbours_touch_and_do_not_run_into_each_other(
    crowns: tuple[Crown, ...], arch: Arch, lower: bool
) -> None:
    middles, borders = arch.places(crowns)
    assert (np.diff(borders) > 0).all() and (middles < borders[1:]).all()
    # Along the arch every crown has its own width.
    x = np.linspace(0, borders[-1], 20_000)
    line = arch.at(x)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    widths = np.diff(np.interp(borders, x, length))
    assert widths == pytest.approx([crown.width for crown in crowns], abs=1e-3)


@pytest.mark.parametrize(("crowns", "arch", "lower"), ARCHES)
def test_arch_is_symmetric(crowns: tuple[Crown, ...], arch: Arch, lower: bool) -> None:
    teeth = arch_pieces(crowns, arch, lower)[:-1]
    for right, left in zip(teeth[:7], reversed(teeth[7:]), strict=True):
        mirrored = right.vertices * [-1, 1, 1]
        gaps = np.linalg.norm(mirrored[:, None] - left.vertices[None], axis=2).min(axis=1)
        assert gaps.max() < 1e-9


def test_upper_teeth_hang_and_lower_ones_stand() -> None:
    for crowns, arch, lower in ARCHES:
        *teeth, gum = arch_pieces(crowns, arch, lower)
        edge = np.concatenate([tooth.vertices[:, 1] for tooth in teeth])
        assert (edge.max() < 1e-9) if lower else (edge.min() > -1e-9)
        assert (gum.vertices[:, 1].mean() < edge.mean()) == lower


def test_outer_points_lie_before_the_arch() -> None:
    for crowns, arch, lower in ARCHES:
        points = outer_points(crowns, arch, lower)
        assert points.shape == (14, 2, 3)
        # From the first incisors backwards.
        assert (np.diff(points[::2, 0, 2]) < 0.05).all()
        assert np.abs(points[:2, :, 0]).max() < 0.6
        assert (points[:8, :, 2] > arch.at(points[:8, 0, 0])[:, None, 2]).all()


def test_colours_are_those_of_teeth() -> None:
    for crowns, arch, lower in ARCHES:
        for tooth in arch_pieces(crowns, arch, lower)[:-1]:
            red, green, blue, roughness, metallic = tooth.material.T
            assert (red > green).all() and (green > blue).all()  # off-white
            assert tooth.material[:, :3].min() > 0.4 and tooth.material[:, :3].max() < 0.85
            assert (roughness < 0.4).all() and (metallic == 0).all()
            assert (tooth.uv >= 0).all() and (tooth.uv <= 1).all()

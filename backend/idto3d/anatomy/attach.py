# SPDX-License-Identifier: GPL-3.0-or-later
"""Teeth, gums and lashes for one head, in all its expressions.

Their vertices, faces and texture coordinates are the same for everybody and every expression; only
the positions differ.
"""

from dataclasses import dataclass

import numpy as np

from idto3d.anatomy import lashes, teeth
from idto3d.anatomy.jaw import chin_weights, jaw_motions
from idto3d.anatomy.lining import Lining, mouth_lining
from idto3d.anatomy.mouth import fit_mouth
from idto3d.anatomy.pieces import Piece, join
from idto3d.head.regions import SKIN
from idto3d.head.template import Template

# The rectangle of texture that all of it shares, in units of the head's own surface.
SHEET = (0.46, 0.13)
_GAP = 0.08  # of a tooth's cell is left free on each side
LASH_DARKNESS = 0.3  # of the hair's colour


@dataclass(frozen=True)
class Attached:
    """Parts that go with the head's mesh."""

    positions: np.ndarray  # (K,W,3) float32 unit space, one of each pose
    original: np.ndarray  # (U,) int64: the vertex among W that each split vertex came from
    faces: np.ndarray  # (F,3) int64 into the split vertices
    uv: np.ndarray  # (U,2) float32 within the parts' rectangle, v downwards
    material: np.ndarray  # (U,5) float32: sRGB albedo, roughness, metallic
    occlusion: np.ndarray  # (U,) float32 in [0,1], as in an open mouth
    lining: Lining  # of the inside of the head's own mouth


def teeth_and_lashes(
    template: Template, poses: np.ndarray, hair: tuple[float, float, float]
) -> Attached:
    """Fit teeth and lashes to a head.

    poses (K,V,3) float32 of the template's topology, unit space, the neutral one first. hair: sRGB,
    of which the lashes are a darker shade.
    """
    part, faces = template.part.numpy(), template.faces.numpy()
    skin = faces[part[faces[:, 0]] == SKIN]
    motions = jaw_motions(poses, chin_weights(template))
    frame = fit_mouth(poses, skin, template.landmarks.numpy(), motions)
    upper = teeth.arch_pieces(teeth.UPPER, teeth.UPPER_ARCH, lower=False)
    lower = teeth.arch_pieces(teeth.LOWER, teeth.LOWER_ARCH, lower=True)
    lids = lashes.lid_edges(template)
    colour = LASH_DARKNESS * np.array(hair)
    strands = [piece for lid in lids for piece in lashes.lash_pieces(lid.row, colour)]
    whole = join([*upper, *lower, *strands], _places(upper, lower, len(strands)))
    high = frame.upper(np.concatenate([piece.vertices for piece in upper]))
    low = frame.lower(np.concatenate([piece.vertices for piece in lower]))
    grown = lashes.pose_lashes(template, poses, lids)
    positions = np.stack(
        [
            np.concatenate([high, motion.apply(low), *(row[pose].reshape(-1, 3) for row in grown)])
            for pose, motion in enumerate(motions)
        ]
    )
    # Of the split vertices of one vertex, which are all in one place, the first one tells it.
    _, first = np.unique(whole.original, return_index=True)
    return Attached(
        positions[:, first].astype(np.float32),
        whole.original,
        whole.faces,
        whole.uv.astype(np.float32),
        whole.material.astype(np.float32),
        whole.occlusion.astype(np.float32),
        mouth_lining(template),
    )


def _places(upper: list[Piece], lower: list[Piece], strands: int) -> np.ndarray:
    """Rectangles (N,4) in the sheet: two rows of teeth, two of gum, one of lashes."""
    rows = ((0.0, 0.24), (0.24, 0.24), (0.5, 0.16), (0.68, 0.16), (0.87, 0.12))
    places: list[tuple[float, float, float, float]] = []
    for index, arch in enumerate((upper, lower)):
        count = len(arch) - 1
        top, height = rows[index]
        places += [
            (
                (column + _GAP) / count,
                top + _GAP * height,
                (1 - 2 * _GAP) / count,
                (1 - 2 * _GAP) * height,
            )
            for column in range(count)
        ]
        top, height = rows[2 + index]
        places.append((0.005, top, 0.99, height))
    top, height = rows[4]
    places += [((column + 0.2) / strands, top, 0.6 / strands, height) for column in range(strands)]
    return np.array(places)

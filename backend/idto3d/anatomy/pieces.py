# SPDX-License-Identifier: GPL-3.0-or-later
"""What the teeth and lashes are made of: small surfaces, each with its own rectangle of texture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Piece:
    """A tooth, a gum or a lash. Vertices are split where its texture is cut open."""

    vertices: np.ndarray  # (U,3) float64
    faces: np.ndarray  # (F,3) int64, counter-clockwise seen from outside
    uv: np.ndarray  # (U,2) in [0,1] of the piece's own rectangle
    original: np.ndarray  # (U,) int64: split vertices with one number are one vertex
    material: np.ndarray  # (U,5): sRGB albedo, roughness, metallic
    occlusion: np.ndarray  # (U,) in [0,1]


def grid_faces(rows: int, columns: int) -> np.ndarray:
    """Faces (2(rows-1)(columns-1),3) of a grid of vertices, row after row.

    They look to where the cross product of "along a row" and "to the next row" points.
    """
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (row * columns + column).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    return np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])


def join(pieces: Sequence[Piece], places: np.ndarray) -> Piece:
    """All pieces as one. places (N,4): each one's rectangle, left, top, width and height."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    welds = np.cumsum([0, *(int(piece.original.max()) + 1 for piece in pieces)])
    return Piece(
        np.concatenate([piece.vertices for piece in pieces]),
        np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=False)]),
        np.concatenate(
            [place[:2] + piece.uv * place[2:] for piece, place in zip(pieces, places, strict=True)]
        ),
        np.concatenate([piece.original + weld for piece, weld in zip(pieces, welds, strict=False)]),
        np.concatenate([piece.material for piece in pieces]),
        np.concatenate([piece.occlusion for piece in pieces]),
    )

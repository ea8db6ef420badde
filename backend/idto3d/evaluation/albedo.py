# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a face's colours are from the true ones, without any light: CIELAB differences.

Each point of the true face is compared with the closest point of the aligned subject. A photograph
can't tell a bright lamp on dark skin from a dim one on pale skin, so that the error is also given
after the best common factor on the linear albedo.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from idto3d.evaluation.geometry import Surface, TrueFace
from idto3d.head.rigid_motion import RigidMotion

# Linear sRGB to XYZ (IEC 61966-2-1), divided by the white point D65.
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
) / np.array([[0.95047], [1.0], [1.08883]])  # fmt: skip

# Points (N,3) and the areas (N,) that they stand for -> sRGB in [0,1] (N,3).
ColoursAt = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class AlbedoError:
    """Mean CIE 1976 colour difference over the face; 2.3 can just be seen."""

    plain: float
    scaled: float  # after one factor on all of the subject's linear colours


def albedo_error(
    truth: TrueFace,
    true_surface: Surface,
    true_albedo: np.ndarray,
    subject_colours: ColoursAt,
    motion: RigidMotion,
) -> AlbedoError:
    """true_albedo: (V,3) sRGB in [0,1] at the vertices of true_surface, which are `truth`'s;
    subject_colours: the subject's, before `motion`.
    """
    wanted = true_surface.sample(truth.points, true_albedo)
    found = subject_colours(motion.undo(truth.points), truth.areas)
    return compare(wanted, found, truth.areas)


def compare(wanted: np.ndarray, found: np.ndarray, areas: np.ndarray) -> AlbedoError:
    """Of colours (N,3) sRGB in [0,1] that each stand for an area (N,)."""
    a, b = to_linear(wanted), to_linear(found)
    factor = (areas[:, None] * a * b).sum() / max((areas[:, None] * b * b).sum(), 1e-12)

    def difference(other: np.ndarray) -> float:
        gap = np.linalg.norm(lab(a) - lab(other), axis=1)
        return float((gap * areas).sum() / areas.sum())

    return AlbedoError(difference(b), difference(np.clip(factor * b, 0, 1)))


def to_linear(colour: np.ndarray) -> np.ndarray:
    """sRGB in [0,1] to linear light."""
    colour = np.clip(colour, 0, 1)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def lab(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB (N,3) to CIELAB (N,3) under D65."""
    xyz = linear @ TO_XYZ.T
    bent = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = bent.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Glasses and earrings, placed by the landmarks and by the head's own surface."""

import numpy as np

from idto3d.head.regions import ear_centre, face_centimetre
from idto3d.head.template import EYE_LEFT, EYE_RIGHT, JAW_ENDS
from idto3d.training.attire.surfaces import Worn, ball, joined, still, tube

FRAMES = np.array(
    [[24, 24, 26], [60, 36, 22], [110, 70, 36], [150, 150, 155], [178, 142, 72], [110, 24, 30]]
) / 255.0  # fmt: skip
METALS = np.array([[196, 158, 82], [190, 190, 194]]) / 255.0
OUTLINE = 40  # points of a rim
REACH = 0.6  # of what is looked at around a point of the head, face centimetres


def glasses(head: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> Worn:
    """Rims, bridge and temples for a head (V,3) with landmarks (68,3), unit space."""
    cm = face_centimetre(landmarks)
    width, height = random.uniform(2.3, 2.9) * cm, random.uniform(1.5, 2.4) * cm
    round_, thickness = random.uniform(2.0, 4.5), random.uniform(0.12, 0.28) * cm
    eyes = [landmarks[part].mean(axis=0) for part in (EYE_RIGHT, EYE_LEFT)]
    centres = [
        eye + np.array([side * 0.2, -0.35, 0.0]) * cm
        for eye, side in zip(eyes, (-1, 1), strict=True)
    ]
    before = _depth(head, centres, width, height) + 0.2 * cm + thickness
    angle = 2 * np.pi * np.arange(OUTLINE) / OUTLINE
    cosine, sine = np.cos(angle), np.sin(angle)
    across = np.sign(cosine) * np.abs(cosine) ** (2 / round_)
    up = np.sign(sine) * np.abs(sine) ** (2 / round_)
    parts = []
    for centre in centres:
        rim = np.stack(
            [centre[0] + width * across, centre[1] + height * up, np.full(OUTLINE, before)], axis=1
        )
        parts.append(tube(rim, thickness, closed=True))
    right, left = centres
    inner = np.linspace(right[0] + width, left[0] - width, 7)
    arch = 0.35 * cm * np.sin(np.linspace(0, np.pi, 7))
    level = 0.5 * (right[1] + left[1]) + 0.25 * height
    bridge = np.stack([inner, level + arch, np.full(7, before) + 0.5 * arch], axis=1)
    parts.append(tube(bridge, thickness))
    for centre, side in zip(centres, (-1.0, 1.0), strict=True):
        start = np.array([centre[0] + side * width, centre[1] + 0.35 * height, before])
        parts.append(tube(_temple(head, landmarks, start, side, cm), 0.8 * thickness))
    vertices, faces = joined(parts)
    return still(vertices, faces, FRAMES[random.integers(len(FRAMES))], 0.3)


def _depth(head: np.ndarray, centres: list[np.ndarray], width: float, height: float) -> float:
    """How far to the front brows and cheeks reach behind the lenses."""
    reached = []
    for centre in centres:
        # The nose's side is not among it: the bridge goes over it.
        outward = (head[:, 0] - centre[0]) * np.sign(centre[0])
        behind = (outward > -0.35 * width) & (outward < 0.8 * width) & (head[:, 2] > 0)
        behind &= np.abs(head[:, 1] - centre[1]) < 0.7 * height
        reached.append(head[behind, 2].max())
    return float(max(reached))


def _temple(
    head: np.ndarray, landmarks: np.ndarray, start: np.ndarray, side: float, cm: float
) -> np.ndarray:
    """(N,3) along the side of the head, from the hinge to above the ear."""
    ear_height, ear_depth = ear_centre(landmarks)
    stations = np.linspace(start[2], ear_depth + 0.5 * cm, 12)
    share = np.linspace(0, 1, 12)
    level = start[1] + (ear_height + 2.2 * cm - start[1]) * share
    widest = abs(landmarks[JAW_ENDS, 0]).mean() + 1.2 * cm
    x = []
    for depth, y in zip(stations, level, strict=True):
        near = (np.abs(head[:, 2] - depth) < REACH * cm) & (np.abs(head[:, 1] - y) < REACH * cm)
        near &= head[:, 0] * side > 0
        x.append(np.abs(head[near, 0]).max() + 0.15 * cm if near.any() else 0.0)
    wide = np.maximum.accumulate(np.maximum(np.minimum(x, widest), abs(start[0])))
    return np.stack([side * wide, level, stations], axis=1)


def earrings(head: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> Worn:
    """Two studs or two hoops at the lobes of a head (V,3) with landmarks (68,3), unit space."""
    cm = face_centimetre(landmarks)
    height, depth = ear_centre(landmarks)
    hoop = random.random() < 0.5
    size = random.uniform(0.7, 1.6) * cm if hoop else random.uniform(0.25, 0.45) * cm
    parts = []
    for side in (-1.0, 1.0):
        low = (head[:, 1] > height - 3.8 * cm) & (head[:, 1] < height - 2.0 * cm)
        near = np.flatnonzero(low & (np.abs(head[:, 2] - depth) < 2.5 * cm))
        lobe = head[near[(side * head[near, 0]).argmax()]]
        if hoop:
            angle = 2 * np.pi * np.arange(24) / 24
            ring = np.stack([0 * angle, np.cos(angle) - 0.9, np.sin(angle)], axis=1)
            parts.append(tube(lobe + size * ring, 0.13 * cm, closed=True))
        else:
            parts.append(ball(lobe + np.array([side * 0.5 * size, 0, 0]), np.full(3, size)))
    vertices, faces = joined(parts)
    return still(vertices, faces, METALS[random.integers(len(METALS))], 0.25)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural skin, lips, brows, eyes, stubble and hair on a head, evaluated at its vertices.

Used twice: to colour the synthetic people of the training data, and as the first colours of a
generated head wherever no photograph shows it. All masks live in canonical space and are placed
by the 68 landmarks; lengths are in face centimetres (outer eye corners 8.92 apart).
"""

from dataclasses import dataclass

import numpy as np

from idto3d.head.outlines import line_distance, polygon_distance
from idto3d.head.regions import (
    HAIRLINE,
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    SKIN,
    TEETH,
    TEMPLE,
    ear_centre,
    face_centimetre,
    hair_mask,
    smoothstep,
    value_noise,
)
from idto3d.head.template import (
    BROW_LEFT,
    BROW_RIGHT,
    EYE_LEFT,
    EYE_RIGHT,
    LIPS_INNER,
    LIPS_OUTER,
)

SCLERA = np.array([0.86, 0.83, 0.81])
MOUTH_INSIDE = np.array([0.50, 0.22, 0.22])
GAZE_TO_LIDS = 0.85  # of the angle from straight ahead to the middle of the open lids
TEETH_COLOUR = np.array([0.86, 0.82, 0.74])


@dataclass(frozen=True)
class Look:
    """Colours are sRGB in [0,1]; lengths in face centimetres; amounts in [0,1]."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    hairline: float = HAIRLINE  # height of the forehead's hairline above its mean
    temple: float = TEMPLE  # how far the hairline recedes at the temples
    hair_amount: float = 1.0  # 0 bald, 0.5 cropped, 1 full
    hair_thickness: float = 0.8  # volume of the hair over the scalp
    curl: float = 0.0  # how far curls stand out, as a share of the volume
    brow_width: float = 1.0
    brow_amount: float = 0.8
    lip_redness: float = 0.3
    blush: float = 0.2
    beard: float = 0.0
    beard_thickness: float = 0.0  # volume of the beard over the skin
    freckles: float = 0.0
    spots: float = 0.1
    variation: float = 1.0  # strength of the skin's fine colour variation
    seed: int = 7


@dataclass(frozen=True)
class Paint:
    """Per vertex: sRGB albedo (V,3), roughness (V,), hair weight (V,), hair normal offset (V,)."""

    albedo: np.ndarray
    roughness: np.ndarray
    hair: np.ndarray
    offset: np.ndarray  # units, along the normal


def _blend(base: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return base + (colour - base) * weight[:, None]


def _hair(positions: np.ndarray, landmarks: np.ndarray, look: Look) -> np.ndarray:
    if look.hair_amount <= 0:
        return np.zeros(len(positions))
    return hair_mask(positions, landmarks, look.hairline, look.temple, look.seed)


def paint_head(
    positions: np.ndarray,
    landmarks: np.ndarray,
    part: np.ndarray,
    front: np.ndarray,
    eyes: np.ndarray,
    look: Look,
) -> Paint:
    """Paint a head's vertices.

    positions (V,3) canonical, unit space; landmarks (68,3); part (V,) SKIN..TEETH; front (V,)
    in [0,1], how far a skin vertex faces forward; eyes (2,3) centres of the left and right
    eyeball.
    """
    cm = face_centimetre(landmarks)
    p, q = positions, positions[:, :2]
    scaled = p / cm
    count = len(p)
    skin, hair = np.array(look.skin), np.array(look.hair)
    albedo = np.tile(skin, (count, 1))
    roughness = np.full(count, 0.55)
    tone = np.zeros(count)
    for index, (frequency, amount) in enumerate(((0.9, 0.025), (4.0, 0.025), (9.0, 0.02))):
        tone += amount * value_noise(scaled * frequency, look.seed + index)
    albedo = albedo * (1 + look.variation * tone)[:, None]

    red = np.array([1.10, 0.84, 0.82])
    nose = landmarks[30]
    cheeks = [
        np.array([landmarks[i, 0] * 1.02, nose[1] + 0.2 * cm, landmarks[i, 2]]) for i in (36, 45)
    ]
    for centre, radius in ((nose, 1.5), (cheeks[0], 2.2), (cheeks[1], 2.2)):
        weight = look.blush * np.exp(-((p - centre) ** 2).sum(1) / (radius * cm) ** 2)
        albedo = _blend(albedo, albedo * red, weight)
    if look.freckles > 0:
        band = np.exp(-(((p[:, 1] - landmarks[29, 1]) / (2.2 * cm)) ** 2)) * front
        weight = smoothstep(0.35, 0.7, value_noise(scaled * 6.0, look.seed + 5)) * band
        albedo = _blend(albedo, albedo * np.array([0.75, 0.62, 0.5]), look.freckles * weight)
    weight = smoothstep(0.7, 0.85, value_noise(scaled * 2.7, look.seed + 6)) * look.spots
    albedo = _blend(albedo, albedo * np.array([0.65, 0.55, 0.5]), weight * front)

    for outline in (landmarks[EYE_RIGHT], landmarks[EYE_LEFT]):
        distance = polygon_distance(q, outline[:, :2])
        shade = np.exp(-np.maximum(distance, 0) / (0.55 * cm)) * 0.18 * front
        albedo = albedo * (1 - shade[:, None] * np.array([0.7, 0.9, 0.8]))
        upper = q[:, 1] > outline[:, 1].mean() - 0.05 * cm
        lash = (1 - smoothstep(0.0, 0.2 * cm, np.abs(distance))) * front * np.where(upper, 0.8, 0.3)
        albedo = _blend(albedo, 0.3 * hair, lash)

    if look.beard > 0:
        grain = 0.7 + 0.5 * value_noise(scaled * 8.0, look.seed + 9)
        weight = np.clip(look.beard * _beard(p, landmarks) * grain, 0, 0.9)
        albedo = _blend(albedo, 0.85 * hair, weight)

    lips = landmarks[LIPS_OUTER, :2]
    weight = 1 - smoothstep(-0.08 * cm, 0.12 * cm, polygon_distance(q, lips))
    weight = weight * front * (0.55 + 0.45 * look.lip_redness)
    lip_colour = skin * np.array([0.88, 0.62, 0.63])
    lip_colour = lip_colour + look.lip_redness * (np.array([0.62, 0.25, 0.27]) - lip_colour) * 0.5
    grain = 1 + 0.08 * value_noise(scaled * np.array([8.0, 1.6, 1.6]), 3)
    albedo = _blend(albedo, lip_colour * grain[:, None], weight)
    roughness = roughness - 0.15 * weight
    parting = line_distance(q, landmarks[LIPS_INNER, :2][:5])[0]
    weight = (1 - smoothstep(0.02 * cm, 0.13 * cm, parting)) * front * 0.6
    albedo = albedo * (1 - weight[:, None] * np.array([0.7, 0.8, 0.8]))

    for brow, outer_first in ((landmarks[BROW_RIGHT], True), (landmarks[BROW_LEFT], False)):
        line = brow[:, :2] + np.array([0.0, -0.15 * cm])
        line = line[::-1] if outer_first else line
        distance, along = line_distance(q, line)
        width = 0.36 * (1 - 0.7 * smoothstep(0.55, 1.0, along)) * look.brow_width * cm
        width = width * (0.75 + 0.25 * smoothstep(0.0, 0.12, along))
        strands = value_noise(scaled * np.array([9.0, 5.0, 1.0]), look.seed + 11)
        weight = 1 - smoothstep(0.5 * width, 1.25 * width, distance + 0.07 * cm * strands)
        weight = np.clip(weight * look.brow_amount * front * (0.85 + 0.25 * strands), 0, 0.95)
        albedo = _blend(albedo, 0.9 * hair, weight)

    is_skin = part == SKIN
    cover = _hair(p, landmarks, look) * is_skin
    strands = value_noise(scaled * np.array([7.0, 1.6, 7.0]), look.seed + 22)
    locks = value_noise(scaled * np.array([2.0, 0.7, 2.0]), look.seed + 23)
    hair_colour = hair * np.clip(1 + 0.22 * strands + 0.12 * locks, 0.3, 2.0)[:, None]
    weight = cover * np.clip(look.hair_amount * 1.1, 0, 1)
    albedo = _blend(albedo, hair_colour, weight)
    roughness = roughness + (0.65 - roughness) * weight
    volume = np.clip(0.85 + 0.12 * locks + 0.06 * strands, 0.2, 1.4)
    # Hair thins towards the ears, which stay free.
    away = np.linalg.norm(p[:, 1:] - ear_centre(landmarks), axis=1)
    beside = smoothstep(3.0 * cm, 6.5 * cm, away)
    if look.curl > 0:
        for index, frequency in enumerate((0.8, 1.6)):
            curls = value_noise(scaled * frequency, look.seed + 24 + index)
            volume = volume + 0.5 * look.curl * curls
    offset = cover * look.hair_thickness * cm * volume * beside
    if look.beard_thickness > 0:
        # Lips and what lies between them stay free.
        free = smoothstep(0.1 * cm, 0.9 * cm, polygon_distance(q, lips)) * is_skin
        tufts = 0.8 + 0.3 * value_noise(scaled * np.array([2.5, 1.0, 2.5]), look.seed + 26)
        thick = look.beard_thickness * _beard(p, landmarks) * free * tufts
        offset = offset + thick * cm

    albedo[part == MOUTH] = MOUTH_INSIDE
    albedo[part == TEETH] = TEETH_COLOUR
    gaze = _gaze(landmarks, eyes)
    for code, centre in ((LEFT_EYE, eyes[0]), (RIGHT_EYE, eyes[1])):
        mask = part == code
        albedo[mask] = _eye_colour((p[mask] - centre) @ gaze, look, cm)
        roughness[mask] = 0.15
    return Paint(np.clip(albedo, 0.0, 1.0), np.clip(roughness, 0.05, 1.0), cover, offset)


def _beard(positions: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Weight (V,) in [0,1] of where a beard grows: jaw, chin, upper lip and lower cheeks."""
    cm = face_centimetre(landmarks)
    p = positions
    jaw = smoothstep(landmarks[33, 1] + 0.3 * cm, landmarks[33, 1] - 1.2 * cm, p[:, 1])
    jaw = jaw * smoothstep(landmarks[8, 1] - 3.5 * cm, landmarks[8, 1] - 1.5 * cm, p[:, 1])
    side = smoothstep(landmarks[2, 2] - 2.5 * cm, landmarks[2, 2] - 0.5 * cm, p[:, 2])
    rise = 0.16 * np.maximum(np.abs(p[:, 0]) - 2.6 * cm, 0) ** 2 / cm
    cheek = smoothstep(1.2 * cm, -0.8 * cm, p[:, 1] - (landmarks[33, 1] - 0.6 * cm + rise))
    return jaw * side * cheek


def _gaze(landmarks: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Rotation (3,3) of both eyes: columns are their axes, the last one the line of sight.

    Parallel, and up or down to where the lids are open: their middle is rarely straight in front of
    an eyeball's, and an iris half below the upper lid looks dead. The upper lid covers its rim.
    """
    lids = np.stack([landmarks[EYE_LEFT].mean(axis=0), landmarks[EYE_RIGHT].mean(axis=0)])
    offset = (lids - eyes).mean(axis=0)
    pitch = GAZE_TO_LIDS * np.arctan2(offset[1], offset[2])
    cosine, sine = np.cos(pitch), np.sin(pitch)
    return np.array([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])


def _eye_colour(offset: np.ndarray, look: Look, cm: float) -> np.ndarray:
    """Sclera, limbus, iris and pupil around the line of sight, +Z.

    The visible iris is 0.62 cm in radius.
    """
    radius = np.linalg.norm(offset[:, :2], axis=1) / (0.60 * cm)
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    spokes = 1 + 0.15 * np.sin(angle * 23 + look.seed)
    iris = np.array(look.iris) * (spokes * np.clip(1.1 - 0.4 * radius, 0.4, 1.2))[:, None]
    weight = (1 - smoothstep(0.92, 1.08, radius)) * (offset[:, 2] > 0)
    colour = _blend(np.tile(SCLERA, (len(offset), 1)), iris, weight)
    rim = 0.55 * np.exp(-(((radius - 0.97) / 0.1) ** 2)) * (offset[:, 2] > 0)
    colour = colour * (1 - rim)[:, None]
    pupil = (1 - smoothstep(0.34, 0.44, radius)) * (offset[:, 2] > 0)
    return _blend(colour, np.full(3, 0.02), pupil)

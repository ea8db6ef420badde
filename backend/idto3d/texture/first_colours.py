# SPDX-License-Identifier: GPL-3.0-or-later
"""The first colours of a head: paint with measured colours, then the photographs where they see.

Each photo is laid on the head by its pose, its light is removed by a second-order spherical
harmonics fit against the painted skin, and what several photos agree on is kept. Parts that no
photo shows keep the paint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from idto3d.head.template import Template
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import rasterize
from idto3d.texture.paint import (
    LEFT_EYE,
    RIGHT_EYE,
    SKIN,
    Look,
    ear_centre,
    paint_head,
    smoothstep,
)
from idto3d.texture.photo_pose import DISTANCE, FIVE_POINTS, PhotoPose, solve_pose

DEPTH_MAP = 384  # pixels of the map that decides what a photo sees
# How far the skin's lightness follows the embedding's guess (1) rather than the photos (0).
TRUST_IN_GUESSED_LEVEL = 0.4
# Exponent of the weights: the photo that sees a part best decides, since poses are not good enough
# for a mean of several to stay sharp at the brows.
SHARPNESS = 8
DEFAULT_HAIR = (0.16, 0.11, 0.08)


@dataclass(frozen=True)
class FirstColours:
    """Per vertex of the painted mesh."""

    albedo: np.ndarray  # (V,3) sRGB
    roughness: np.ndarray  # (V,)
    seen: np.ndarray  # (V,) in [0,1], how well the photos show it
    look: Look
    hair_offset: np.ndarray  # (V,) units along the normal: the volume of the painted hair


@dataclass(frozen=True)
class Seen:
    """What one photo shows of the mesh."""

    colour: np.ndarray  # (V,3) sRGB of the photo
    weight: np.ndarray  # (V,) in [0,1], zero where hidden


def first_colours(
    template: Template,
    neutral: torch.Tensor,
    photos: Sequence[np.ndarray],
    landmarks: Sequence[np.ndarray],
    tone: tuple[float, float, float],
) -> FirstColours:
    """Colour the neutral head (V,3) of `template`'s topology.

    photos: (H,W,3) uint8 sRGB; landmarks: (5,2) pixels each; tone: sRGB skin colour guessed from
    the embedding.
    """
    positions, faces = neutral.numpy(), template.faces
    part, marks = template.part.numpy(), neutral.numpy()[template.landmarks.numpy()]
    normals = vertex_normals(neutral, faces).numpy()
    front = smoothstep(0.0, 0.3, normals[:, 2])
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    poses = [solve_pose(marks[list(FIVE_POINTS)], points) for points in landmarks]
    seen = [
        see(photo, pose, positions, faces, normals)
        for photo, pose in zip(photos, poses, strict=True)
    ]
    look = _measure_look(seen, positions, marks, part, tone)
    paint = paint_head(positions, marks, part, front, eyes, look)
    painted = paint.albedo
    colours, weights = [], []
    for view in seen:
        delit = remove_light(view, painted, normals, part == SKIN)
        colours.append(delit)
        weights.append(view.weight)
    colour, weight = _agree(np.stack(colours), np.stack(weights), painted)
    trusted = weight * _trust(positions, marks, part)
    trusted = trusted * (1 - _stray_on_ears(colour, painted, positions, marks))
    albedo = painted + (colour - painted) * trusted[:, None]
    return FirstColours(
        np.clip(albedo, 0.0, 1.0), paint.roughness, trusted, look, paint.offset.astype(np.float32)
    )


def see(
    photo: np.ndarray,
    pose: PhotoPose,
    positions: np.ndarray,
    faces: torch.Tensor,
    normals: np.ndarray,
) -> Seen:
    """Sample the photo at each vertex that faces its camera and is not hidden."""
    height, width = photo.shape[:2]
    projected = pose.project(positions)
    low, high = projected[:, :2].min(axis=0), projected[:, :2].max(axis=0)
    side = float((high - low).max()) * 1.02
    corner = 0.5 * (low + high) - 0.5 * side
    ndc = (projected[:, :2] - corner) / side * 2 - 1
    depth = projected[:, 2]
    clip = np.stack(
        [ndc[:, 0] * depth, -ndc[:, 1] * depth, (depth - DISTANCE) * depth, depth], axis=1
    )
    fragments = rasterize(
        torch.from_numpy(clip.astype(np.float32))[None], faces, DEPTH_MAP, DEPTH_MAP
    )
    buffer = fragments.depth[0].numpy()
    cell = np.clip(((ndc + 1) * 0.5 * DEPTH_MAP).astype(int), 0, DEPTH_MAP - 1)
    visible = buffer[cell[:, 1], cell[:, 0]] > (depth - DISTANCE) - 0.012
    facing = normals @ pose.towards()
    x, y = projected[:, 0], projected[:, 1]
    inside = (x > 1) & (y > 1) & (x < width - 2) & (y < height - 2)
    weight = smoothstep(0.15, 0.75, facing) * visible * inside
    return Seen(_bilinear(photo, x, y), weight)


def remove_light(
    view: Seen, painted: np.ndarray, normals: np.ndarray, skin: np.ndarray
) -> np.ndarray:
    """Albedo (V,3) sRGB: the photo divided by its light, a function of the normal.

    Lambertian light is nearly a second-order polynomial of the normal (Ramamoorthi and Hanrahan
    2001); nine coefficients a channel are fitted to photo / paint over the visible skin.
    """
    use = skin & (view.weight > 0.2)
    if use.sum() < 200:
        return painted
    basis = _harmonics(normals)
    linear, reference = _to_linear(view.colour), _to_linear(painted)
    ratio = linear / np.maximum(reference, 0.02)
    middle = np.median(ratio[use], axis=0)
    # Hair, glasses and shadows are not skin in this light: leave out what is far from the middle.
    near = use & (np.abs(np.log((ratio + 1e-3) / (middle + 1e-3))).max(axis=1) < 0.9)
    if near.sum() < 200:
        near = use
    rows, weight = basis[near], view.weight[near][:, None]
    ridge = np.diag([1e-3] + [0.03] * 8) * near.sum()
    system = rows.T @ (rows * weight) + ridge
    right = rows.T @ ((ratio[near] - middle) * weight)
    light = middle + basis @ np.linalg.solve(system, right)
    light = np.clip(light, 0.35 * middle, 2.5 * middle)
    return _to_srgb(linear / light)


def _agree(
    colours: np.ndarray, weights: np.ndarray, painted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of photos (N,V,3), trusted less where they disagree."""
    strong = weights**SHARPNESS
    total = strong.sum(axis=0)
    mean = (colours * strong[..., None]).sum(0) / np.maximum(total, 1e-6)[:, None]
    spread = (((colours - mean) ** 2).mean(-1) * strong).sum(0) / np.maximum(total, 1e-6)
    agreement = np.exp(-spread / 0.01)
    confidence = np.clip(weights.max(axis=0), 0, 1) * agreement
    return np.where(total[:, None] > 1e-6, mean, painted), confidence


def _trust(positions: np.ndarray, marks: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Eyeballs, lids and the mouth's inside keep their paint: the pose is not good enough there."""
    cm = np.linalg.norm(marks[36, :2] - marks[45, :2]) / 8.92
    trust = np.where(part == SKIN, 0.9, 0.0)
    for centre, wide, high in (
        (marks[36:42].mean(0), 2.0, 1.0),
        (marks[42:48].mean(0), 2.0, 1.0),
        (marks[60:68].mean(0), 3.2, 0.7),
    ):
        offset = (positions[:, :2] - centre[:2]) / cm
        near = np.sqrt((offset[:, 0] / wide) ** 2 + (offset[:, 1] / high) ** 2)
        trust = trust * smoothstep(0.75, 1.3, near)
    return trust


def _stray_on_ears(
    colour: np.ndarray, painted: np.ndarray, positions: np.ndarray, marks: np.ndarray
) -> np.ndarray:
    """Weight (V,) in [0,1] of what can't be skin on the ears.

    They stick out, so a small error of the pose lays hair or background on them.
    """
    centre, cm = ear_centre(marks), np.linalg.norm(marks[36, :2] - marks[45, :2]) / 8.92
    away = np.linalg.norm((positions[:, 1:] - centre) / cm / np.array([5.0, 3.0]), axis=1)
    beside = smoothstep(0.93, 0.98, np.abs(positions[:, 0]) / np.abs(marks[[0, 16], 0]).mean())
    difference = np.abs(np.log((colour + 0.05) / (painted + 0.05))).max(axis=1)
    return beside * (1 - smoothstep(0.9, 1.1, away)) * smoothstep(0.2, 0.4, difference)


def _measure_look(
    seen: Sequence[Seen], positions: np.ndarray, marks: np.ndarray, part: np.ndarray,
    tone: tuple[float, float, float],
) -> Look:  # fmt: skip
    """Skin, hair, brow and lip colours from what the photos show, relative to the guessed tone."""
    cm = np.linalg.norm(marks[36, :2] - marks[45, :2]) / 8.92
    cheeks = np.zeros(len(positions), dtype=bool)
    for eye in (36, 45):
        centre = np.array([marks[eye, 0] * 0.85, marks[30, 1], marks[eye, 2] + cm])
        cheeks |= ((positions - centre) ** 2).sum(1) < (1.6 * cm) ** 2
    crown = (positions[:, 1] > marks[24, 1] + 6.0 * cm) & (part == SKIN)
    skin = _median(seen, cheeks)
    hair = _median(seen, crown)
    guessed = np.array(tone)
    if skin is None:
        return Look(skin=tone, hair=DEFAULT_HAIR, iris=(0.3, 0.2, 0.13))
    # The photo knows the hue, the embedding is steadier on how light the skin is.
    level = (guessed.mean() / max(float(skin.mean()), 1e-3)) ** TRUST_IN_GUESSED_LEVEL
    mixed = np.clip(
        0.3 * guessed * (skin.mean() * level / guessed.mean()) + 0.7 * skin * level, 0, 1
    )
    look = Look(skin=tuple(mixed), hair=DEFAULT_HAIR, iris=(0.3, 0.2, 0.13))
    if hair is None:
        return look
    contrast = np.abs(np.log((hair + 0.05) / (skin + 0.05))).max()
    colour = tuple(np.clip(hair * level, 0.02, 1))
    if contrast < 0.25:
        return replace(look, hair_amount=0.0, hair_thickness=0.0)
    if contrast < 0.5:
        return replace(look, hair=colour, hair_amount=0.6, hair_thickness=0.2)
    return replace(look, hair=colour, hair_amount=1.0)


def _median(seen: Sequence[Seen], region: np.ndarray) -> np.ndarray | None:
    rows = [view.colour[region & (view.weight > 0.35)] for view in seen]
    joined = np.concatenate(rows) if rows else np.zeros((0, 3))
    return np.median(joined, axis=0) if len(joined) >= 20 else None


def _harmonics(normal: np.ndarray) -> np.ndarray:
    """(V,9): 1, the normal, and its five second-order products."""
    x, y, z = normal.T
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], axis=1)


def _bilinear(photo: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    u, v = (x - left)[:, None], (y - top)[:, None]
    pixels = photo[..., :3].astype(np.float32) / 255.0
    upper = pixels[top, left] * (1 - u) + pixels[top, left + 1] * u
    lower = pixels[top + 1, left] * (1 - u) + pixels[top + 1, left + 1] * u
    return upper * (1 - v) + lower * v


def _to_linear(colour: np.ndarray) -> np.ndarray:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _to_srgb(colour: np.ndarray) -> np.ndarray:
    clipped = np.clip(colour, 0.0, 1.0)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)

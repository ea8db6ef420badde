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
from PIL import Image

from idto3d.head.photo_pose import DISTANCE, PhotoPose
from idto3d.head.template import Template
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import rasterize
from idto3d.texture.layers import LaidColours, Layer, Places, bilinear, blend, to_linear
from idto3d.texture.paint import (
    LEFT_EYE,
    RIGHT_EYE,
    SKIN,
    Look,
    ear_centre,
    face_centimetre,
    paint_head,
    smoothstep,
)

DEPTH_MAP = 384  # pixels of the map that decides what a photo sees
# How far the skin's lightness follows the embedding's guess (1) rather than the photos (0).
TRUST_IN_GUESSED_LEVEL = 0.4
DEFAULT_HAIR = (0.16, 0.11, 0.08)
# Of the crown's colour from the forehead's, in logarithms. Six bald people have 0.09 to 0.24, nine
# with hair, the fairest among them, 0.28 to 1.3; beyond the second it is full rather than cropped.
BALD, CROPPED = 0.26, 0.5
# A forehead that differs so much from the cheeks is hair.
FRINGE = 0.4
# Photos are averaged down to no less than this, pixels a unit: 2 a millimetre, a large atlas' own.
FINEST = 700.0


@dataclass(frozen=True)
class FirstColours:
    """Per vertex of the painted mesh."""

    albedo: np.ndarray  # (V,3) sRGB
    roughness: np.ndarray  # (V,)
    seen: np.ndarray  # (V,) in [0,1], how well the photos show it
    look: Look
    hair_offset: np.ndarray  # (V,) units along the normal: the volume of the painted hair
    laid: LaidColours  # the same albedo anywhere on the surface


@dataclass(frozen=True)
class Shot:
    """A photograph, and how the head lies in it."""

    pixels: np.ndarray  # (H,W,3) uint8 sRGB
    pose: PhotoPose
    displacement: np.ndarray  # (V,3) units, from the neutral head to the expression shown

    def averaged(self) -> "Shot":
        """The photo no finer than a texture can hold, so that sampling it does not alias."""
        factor = int(self.pose.focal / FINEST)
        if factor < 2:
            return self
        pose = self.pose
        centre = (pose.centre + 0.5) / factor - 0.5
        smaller = PhotoPose(pose.rotation, pose.focal / factor, centre, pose.error)
        pixels = np.asarray(Image.fromarray(self.pixels).reduce(factor))
        return Shot(pixels, smaller, self.displacement)


@dataclass(frozen=True)
class Seen:
    """What one photo shows of the mesh."""

    pixels: np.ndarray  # (H,W,3) uint8 sRGB
    points: np.ndarray  # (V,2) pixels
    weight: np.ndarray  # (V,) in [0,1], zero where hidden

    @property
    def colour(self) -> np.ndarray:
        """(V,3) sRGB of the photo."""
        return bilinear(self.pixels, self.points)


def first_colours(
    template: Template,
    neutral: torch.Tensor,
    shots: Sequence[Shot],
    tone: tuple[float, float, float],
) -> FirstColours:
    """Colour the neutral head (V,3) of `template`'s topology.

    tone: sRGB skin colour guessed from the embedding.
    """
    positions, faces = neutral.numpy(), template.faces
    part, marks = template.part.numpy(), neutral.numpy()[template.landmarks.numpy()]
    normals = vertex_normals(neutral, faces).numpy()
    front = smoothstep(0.0, 0.3, normals[:, 2])
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    shots = [shot.averaged() for shot in shots]
    moved = [neutral + torch.from_numpy(shot.displacement).to(neutral) for shot in shots]
    turned = [vertex_normals(shape, faces).numpy() for shape in moved]
    seen = [
        see(shot.pixels, shot.pose, shape.numpy(), faces, facing)
        for shot, shape, facing in zip(shots, moved, turned, strict=True)
    ]
    look = _measure_look(seen, positions, marks, part, tone)
    paint = paint_head(positions, marks, part, front, eyes, look)
    layers = tuple(
        lay(view, paint.albedo, facing, part == SKIN)
        for view, facing in zip(seen, turned, strict=True)
    )
    vertices = Places.at_vertices(len(positions))
    weights = np.stack([layer.weight for layer in layers])
    colour, agreement = blend(
        np.stack([layer.albedo(vertices) for layer in layers]), weights, paint.albedo
    )
    trusted = np.clip(weights.max(axis=0), 0, 1) * agreement * _trust(positions, marks, part)
    trusted = trusted * (1 - _stray_on_ears(colour, paint.albedo, positions, marks))
    laid = LaidColours(positions, marks, part, front, eyes, look, layers, trusted)
    return FirstColours(
        laid.albedo(vertices),
        paint.roughness,
        trusted,
        look,
        paint.offset.astype(np.float32),
        laid,
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
    return Seen(photo, projected[:, :2], weight)


def lay(view: Seen, painted: np.ndarray, normals: np.ndarray, skin: np.ndarray) -> Layer:
    """The photo with its light, a function of the normal, known so that it can be removed.

    Lambertian light is nearly a second-order polynomial of the normal (Ramamoorthi and Hanrahan
    2001); nine coefficients a channel are fitted to photo / paint over the visible skin. A photo
    that hardly shows any gets no weight.
    """
    use = skin & (view.weight > 0.2)
    if use.sum() < 200:
        return Layer(view.pixels, view.points, np.ones_like(painted), np.zeros(len(painted)))
    basis = _harmonics(normals)
    ratio = to_linear(view.colour) / np.maximum(to_linear(painted), 0.02)
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
    return Layer(view.pixels, view.points, light, view.weight)


def _trust(positions: np.ndarray, marks: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Eyeballs, lids and the mouth's inside keep their paint: the pose is not good enough there."""
    cm = face_centimetre(marks)
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
    centre, cm = ear_centre(marks), face_centimetre(marks)
    away = np.linalg.norm((positions[:, 1:] - centre) / cm / np.array([5.0, 3.0]), axis=1)
    beside = smoothstep(0.93, 0.98, np.abs(positions[:, 0]) / np.abs(marks[[0, 16], 0]).mean())
    difference = np.abs(np.log((colour + 0.05) / (painted + 0.05))).max(axis=1)
    return beside * (1 - smoothstep(0.9, 1.1, away)) * smoothstep(0.2, 0.4, difference)


def _measure_look(
    seen: Sequence[Seen], positions: np.ndarray, marks: np.ndarray, part: np.ndarray,
    tone: tuple[float, float, float],
) -> Look:  # fmt: skip
    """Skin, hair, brow and lip colours from what the photos show, relative to the guessed tone."""
    cm = face_centimetre(marks)
    cheeks = np.zeros(len(positions), dtype=bool)
    for eye in (36, 45):
        centre = np.array([marks[eye, 0] * 0.85, marks[30, 1], marks[eye, 2] + cm])
        cheeks |= ((positions - centre) ** 2).sum(1) < (1.6 * cm) ** 2
    height = positions[:, 1] - marks[24, 1]
    crown = (height > 6.0 * cm) & (part == SKIN)
    forehead = (height > cm) & (height < 3.2 * cm) & (np.abs(positions[:, 0]) < 3 * cm)
    forehead &= (positions[:, 2] > marks[27, 2] - 3 * cm) & (part == SKIN)
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
    contrast = _hair_contrast(seen, crown, forehead, cheeks)
    colour = tuple(np.clip(hair * level, 0.02, 1))
    if contrast < BALD:
        return replace(look, hair_amount=0.0, hair_thickness=0.0)
    if contrast < CROPPED:
        return replace(look, hair=colour, hair_amount=0.6, hair_thickness=0.2)
    return replace(look, hair=colour, hair_amount=1.0)


def _hair_contrast(
    seen: Sequence[Seen], crown: np.ndarray, forehead: np.ndarray, cheeks: np.ndarray
) -> float:
    """How different the crown is from skin: logarithm of colours, the median over the photos.

    The forehead lies in the crown's light, the cheeks don't, so fair hair is told from a bald head
    by the forehead; but a fringe hides it, and then differs from the cheeks.
    """
    found = []
    for view in seen:
        parts = [_median([view], region) for region in (crown, forehead, cheeks)]
        top, front, below = (None if part is None else np.log(part + 0.05) for part in parts)
        if top is None or below is None:
            continue
        if front is None:
            found.append(np.abs(top - below).max())
            continue
        fringe = np.abs(front - below).max()
        found.append(fringe if fringe > FRINGE else np.abs(top - front).max())
    return float(np.median(found)) if found else 0.0


def _median(seen: Sequence[Seen], region: np.ndarray) -> np.ndarray | None:
    rows = [view.colour[region & (view.weight > 0.35)] for view in seen]
    joined = np.concatenate(rows) if rows else np.zeros((0, 3))
    return np.median(joined, axis=0) if len(joined) >= 20 else None


def _harmonics(normal: np.ndarray) -> np.ndarray:
    """(V,9): 1, the normal, and its five second-order products."""
    x, y, z = normal.T
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], axis=1)

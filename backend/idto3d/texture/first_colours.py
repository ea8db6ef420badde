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

from idto3d.head.hair_volume import hair_volume
from idto3d.head.photo_pose import PhotoPose
from idto3d.head.photo_view import visible
from idto3d.head.regions import (
    LEFT_EYE,
    RIGHT_EYE,
    SKIN,
    bare_face,
    ear_centre,
    face_centimetre,
    smoothstep,
)
from idto3d.head.template import Template
from idto3d.identity.bilinear import bilinear
from idto3d.identity.intrinsic_images import IntrinsicImages
from idto3d.render.normals import vertex_normals
from idto3d.render.occlusion import ambient_occlusion
from idto3d.settings import HEAD_METRES
from idto3d.texture.iris import iris_colour
from idto3d.texture.layers import LaidColours, Layer, Places, blend, to_linear, to_srgb
from idto3d.texture.paint import Look, Paint, paint_head
from idto3d.texture.skin_tone import skin_tone

WHOLE_HEAD, FACE = 0, 1  # among a shot's images
JAW_ENDS = (0, 16)  # landmarks, before the ears
# Places around a point that must show the head too, units in the picture: 5 mm to each side.
RIM_STEPS = 0.005 / HEAD_METRES * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
DEFAULT_HAIR, DEFAULT_IRIS = (0.16, 0.11, 0.08), (0.3, 0.2, 0.13)
# Of the crown's colour from the forehead's, in logarithms. Six bald people have 0.09 to 0.24, nine
# with hair, the fairest among them, 0.28 to 1.3; beyond the second it is full rather than cropped.
BALD, CROPPED = 0.26, 0.5
# The share of the sky that reaches a fold, of so many rays; vertices exaggerate narrow ones.
RAYS, DARKEST_FOLD = 24, 0.3
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
    laid: LaidColours  # the same albedo anywhere on the surface


@dataclass(frozen=True)
class Shot:
    """A photograph, and how the head lies in it."""

    pixels: np.ndarray  # (H,W,3) uint8 sRGB
    pose: PhotoPose
    displacement: np.ndarray  # (V,3) units, from the neutral head to the expression shown
    # What a network sees in it: the whole head, then the face; () when none has looked.
    images: Sequence[IntrinsicImages] = ()
    understood: bool = True  # False: the pose is rough
    marks: np.ndarray | None = None  # (68,2) landmarks in pixels, when somebody has looked

    def averaged(self) -> "Shot":
        """The photo no finer than a texture can hold, so that sampling it does not alias."""
        factor = int(self.pose.focal / FINEST)
        if factor < 2:
            return self
        pose = self.pose
        centre = (pose.centre + 0.5) / factor - 0.5
        smaller = PhotoPose(pose.rotation, pose.focal / factor, centre, pose.error)
        pixels = np.asarray(Image.fromarray(self.pixels).reduce(factor))
        images = [image.reduced(factor) for image in self.images]
        marks = None if self.marks is None else (self.marks + 0.5) / factor - 0.5
        return Shot(pixels, smaller, self.displacement, images, self.understood, marks)


@dataclass(frozen=True)
class Seen:
    """What one photo shows of the mesh."""

    pixels: np.ndarray  # (H,W,3) uint8 sRGB
    points: np.ndarray  # (V,2) pixels
    weight: np.ndarray  # (V,) in [0,1], zero where hidden

    @property
    def colour(self) -> np.ndarray:
        """(V,3) sRGB of the photo."""
        return bilinear(self.pixels, self.points) / 255.0


@dataclass(frozen=True)
class _Sight:
    """A head of V vertices in P photos, and the look that they show."""

    positions: np.ndarray  # (V,3)
    marks: np.ndarray  # (68,3)
    part: np.ndarray  # (V,)
    front: np.ndarray  # (V,) in [0,1], how far skin faces forward
    eyes: np.ndarray  # (2,3) centres of the eyeballs
    shots: list[Shot]  # P
    turned: list[np.ndarray]  # P, normals (V,3) with the photo's expression
    seen: list[Seen]  # P
    look: Look

    @property
    def paint(self) -> Paint:
        return paint_head(self.positions, self.marks, self.part, self.front, self.eyes, self.look)


def first_colours(
    template: Template,
    neutral: torch.Tensor,
    shots: Sequence[Shot],
    tone: tuple[float, float, float],
) -> FirstColours:
    """Colour the neutral head (V,3) of `template`'s topology.

    tone: sRGB skin colour guessed from the embedding.
    """
    sight = _look_at(template, neutral, shots, tone)
    positions, marks, part, paint = sight.positions, sight.marks, sight.part, sight.paint
    normals = vertex_normals(neutral, template.faces)
    sky = ambient_occlusion(neutral, template.faces, normals, RAYS).numpy().clip(DARKEST_FOLD)
    layers = tuple(
        lay(view, paint.albedo, facing, sky, part == SKIN)
        for view, facing in zip(sight.seen, sight.turned, strict=True)
    )
    vertices = Places.at_vertices(len(positions))
    weights = np.stack([layer.weight for layer in layers])
    colour, agreement = blend(
        np.stack([layer.albedo(vertices) for layer in layers]), weights, paint.albedo
    )
    trusted = np.clip(weights.max(axis=0), 0, 1) * agreement * _trust(positions, marks, part)
    trusted = trusted * (1 - _stray_on_ears(colour, paint.albedo, positions, marks))
    laid = LaidColours(positions, marks, part, sight.front, sight.eyes, sight.look, layers, trusted)
    return FirstColours(laid.albedo(vertices), paint.roughness, trusted, sight.look, laid)


def hair_offset(
    template: Template,
    neutral: torch.Tensor,
    shots: Sequence[Shot],
    tone: tuple[float, float, float],
) -> np.ndarray:
    """(V,) float32 units: how far the hair of the bare neutral head stands off.

    Arguments as of `first_colours`.
    """
    sight = _look_at(template, neutral, shots, tone)
    paint = sight.paint
    usual = paint.offset
    # Ears stay free, and at the nape an outline may be a collar's as well.
    free = paint.hair * smoothstep(0.0, 0.6 * usual.max() + 1e-9, usual)
    above_ears = sight.positions[:, 1] > ear_centre(sight.marks)[0]
    behind = sight.positions[:, 2] < sight.marks[list(JAW_ENDS), 2].mean()
    outlines = [
        (shot.pose, shot.displacement, shot.images[WHOLE_HEAD])
        for shot in sight.shots
        if shot.understood and shot.images
    ]
    offset = hair_volume(
        sight.positions.astype(float), template.faces, usual, free, above_ears, behind, outlines
    )
    return offset.astype(np.float32)


def _look_at(
    template: Template,
    neutral: torch.Tensor,
    shots: Sequence[Shot],
    tone: tuple[float, float, float],
) -> _Sight:
    positions, faces = neutral.numpy(), template.faces
    part, marks = template.part.numpy(), neutral.numpy()[template.landmarks.numpy()]
    front = smoothstep(0.0, 0.3, vertex_normals(neutral, faces).numpy()[:, 2])
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    given, shots = shots, [shot.averaged() for shot in shots]
    moved = [neutral + torch.from_numpy(shot.displacement).to(neutral) for shot in shots]
    turned = [vertex_normals(shape, faces).numpy() for shape in moved]
    seen = [
        see(shot, shape.numpy(), faces, facing)
        for shot, shape, facing in zip(shots, moved, turned, strict=True)
    ]
    look = _measure_look(shots, seen, positions, marks, part, tone)
    iris = iris_colour([(shot.pixels, shot.marks) for shot in given if shot.marks is not None])
    look = replace(look, iris=iris or DEFAULT_IRIS)
    return _Sight(positions, marks, part, front, eyes, shots, turned, seen, look)


def see(shot: Shot, positions: np.ndarray, faces: torch.Tensor, normals: np.ndarray) -> Seen:
    """Sample the photo at each vertex that faces its camera and is not hidden.

    positions, normals (V,3): with the photo's expression.
    """
    height, width = shot.pixels.shape[:2]
    points = shot.pose.project(positions)[:, :2]
    x, y = points.T
    inside = (x > 1) & (y > 1) & (x < width - 2) & (y < height - 2)
    facing = normals @ shot.pose.towards()
    weight = smoothstep(0.15, 0.75, facing) * visible(shot.pose, positions, faces) * inside
    if shot.images:
        weight = weight * _surely_on_head(shot, points)
    return Seen(shot.pixels, points, weight)


def _surely_on_head(shot: Shot, points: np.ndarray) -> np.ndarray:
    """Weight (V,) of points (V,2): a small error of the pose lays background on the head's rim, so
    what is next to them must lie on the head as well. Nothing is known beyond the square."""
    least = np.ones(len(points))
    for step in RIM_STEPS * shot.pose.focal:
        known = shot.images[WHOLE_HEAD].at(points + step)
        least = np.minimum(least, np.where(np.isfinite(known.variance), known.on_head, 0.0))
    return smoothstep(0.5, 0.95, least)


def lay(
    view: Seen, painted: np.ndarray, normals: np.ndarray, sky: np.ndarray, skin: np.ndarray
) -> Layer:
    """The photo with its light known, so that it can be removed.

    Light depends on the normal and on how much of the sky a place sees: sky (V,) in (0,1], which
    darkens nostrils and folds. Lambertian light is nearly a second-order polynomial of the normal
    (Ramamoorthi and Hanrahan 2001); nine coefficients a channel are fitted to photo / paint over
    the visible skin. A photo that hardly shows any gets no weight.
    """
    use = skin & (view.weight > 0.2)
    if use.sum() < 200:
        return Layer(view.pixels, view.points, np.ones_like(painted), np.zeros(len(painted)))
    basis = _harmonics(normals)
    ratio = to_linear(view.colour) / np.maximum(to_linear(painted), 0.02) / sky[:, None]
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
    light = np.clip(light, 0.35 * middle, 2.5 * middle) * sky[:, None]
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
    shots: Sequence[Shot], seen: Sequence[Seen], positions: np.ndarray, marks: np.ndarray,
    part: np.ndarray, tone: tuple[float, float, float],
) -> Look:  # fmt: skip
    """Skin and hair colours and how much hair there is; without skin to see the guessed tone."""
    found = skin_tone(
        [_bare_face(*each, positions, marks, part) for each in zip(shots, seen, strict=True)]
    )
    if found is None:
        return Look(skin=tone, hair=DEFAULT_HAIR, iris=DEFAULT_IRIS)
    skin, light = found
    look = Look(skin=_triple(skin), hair=DEFAULT_HAIR, iris=DEFAULT_IRIS)
    cm = face_centimetre(marks)
    height = positions[:, 1] - marks[24, 1]
    crown = (height > 6.0 * cm) & (part == SKIN)
    hair = _median(seen, crown)
    if hair is None:
        return look
    cheeks = np.zeros(len(positions), dtype=bool)
    for eye in (36, 45):
        centre = np.array([marks[eye, 0] * 0.85, marks[30, 1], marks[eye, 2] + cm])
        cheeks |= ((positions - centre) ** 2).sum(1) < (1.6 * cm) ** 2
    forehead = (height > cm) & (height < 3.2 * cm) & (np.abs(positions[:, 0]) < 3 * cm)
    forehead &= (positions[:, 2] > marks[27, 2] - 3 * cm) & (part == SKIN)
    contrast = _hair_contrast(seen, crown, forehead, cheeks)
    colour = _triple(np.clip(to_srgb(to_linear(hair) / light), 0.02, 1))
    if contrast < BALD:
        return replace(look, hair_amount=0.0, hair_thickness=0.0)
    if contrast < CROPPED:
        return replace(look, hair=colour, hair_amount=0.6, hair_thickness=0.2)
    return replace(look, hair=colour, hair_amount=1.0)


def _bare_face(
    shot: Shot, view: Seen, positions: np.ndarray, marks: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours of the bare face that a photo shows, and the albedo that the network sees there."""
    chosen = bare_face(positions, marks) & (part == SKIN) & (view.weight > 0.35)
    albedo = shot.images[FACE].at(view.points[chosen]).albedo if shot.images else None
    return view.colour[chosen], albedo


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


def _triple(colour: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in colour)
    return red, green, blue

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

from idto3d.head.hair_volume import hair_volume
from idto3d.head.regions import (
    LEFT_EYE,
    RIGHT_EYE,
    SKIN,
    bare_face,
    ear_centre,
    face_centimetre,
    smoothstep,
)
from idto3d.head.template import JAW_ENDS, Template
from idto3d.render.normals import vertex_normals
from idto3d.render.occlusion import ambient_occlusion
from idto3d.texture.hair_look import DEFAULT_HAIR, hair_look
from idto3d.texture.iris import iris_colour
from idto3d.texture.layers import LaidColours, Layer, Places, blend, to_linear, triple
from idto3d.texture.paint import Look, Paint, paint_head
from idto3d.texture.shots import FACE, WHOLE_HEAD, Seen, Shot, see
from idto3d.texture.skin_tone import skin_tone

DEFAULT_IRIS = (0.3, 0.2, 0.13)
# The share of the sky that reaches a fold, of so many rays; vertices exaggerate narrow ones.
RAYS, DARKEST_FOLD = 24, 0.3


@dataclass(frozen=True)
class FirstColours:
    """Per vertex of the painted mesh."""

    albedo: np.ndarray  # (V,3) sRGB
    roughness: np.ndarray  # (V,)
    seen: np.ndarray  # (V,) in [0,1], how well the photos show it
    look: Look
    laid: LaidColours  # the same albedo anywhere on the surface


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
    behind = sight.positions[:, 2] < sight.marks[JAW_ENDS, 2].mean()
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
    beside = smoothstep(0.93, 0.98, np.abs(positions[:, 0]) / np.abs(marks[JAW_ENDS, 0]).mean())
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
    look = Look(skin=triple(skin), hair=DEFAULT_HAIR, iris=DEFAULT_IRIS)
    return hair_look(look, seen, positions, marks, part, light)


def _bare_face(
    shot: Shot, view: Seen, positions: np.ndarray, marks: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours of the bare face that a photo shows, and the albedo that the network sees there."""
    chosen = bare_face(positions, marks) & (part == SKIN) & (view.weight > 0.35)
    albedo = shot.images[FACE].at(view.points[chosen]).albedo if shot.images else None
    return view.colour[chosen], albedo


def _harmonics(normal: np.ndarray) -> np.ndarray:
    """(V,9): 1, the normal, and its five second-order products."""
    x, y, z = normal.T
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], axis=1)

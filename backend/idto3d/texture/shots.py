# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph with a head in it, and what it shows of that head's surface."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from idto3d.head.photo_pose import PhotoPose
from idto3d.head.photo_view import visible
from idto3d.head.regions import smoothstep
from idto3d.identity.bilinear import bilinear
from idto3d.identity.intrinsic_images import IntrinsicImages
from idto3d.settings import HEAD_METRES

WHOLE_HEAD, FACE = 0, 1  # among a shot's images
# Places around a point that must show the head too, units in the picture: 5 mm to each side.
RIM_STEPS = 0.005 / HEAD_METRES * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
# Photos are averaged down to no less than this, pixels a unit: 2 a millimetre, a large atlas' own.
FINEST = 700.0


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

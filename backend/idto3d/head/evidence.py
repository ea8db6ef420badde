# SPDX-License-Identifier: GPL-3.0-or-later
"""What photographs say about a head that was fitted to them: where its surface is turned otherwise,
where its landmarks lie beside those that were found, and whose face it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from idto3d.head.fit import PhotoFit
from idto3d.head.photo_pose import PhotoPose
from idto3d.head.photo_view import visible
from idto3d.head.regions import smoothstep
from idto3d.head.template import Template
from idto3d.identity.intrinsic_images import IntrinsicImages, together
from idto3d.identity.landmarks import Landmarks
from idto3d.render.normals import vertex_normals

# Normals err by this much (variance of a component) at least: the pose and the expression do.
LEAST_VARIANCE = 0.003
SIDEWAYS = 0.25  # cosine to the camera below which a photo does not count
# Until photos weigh this much (in inverse variances), a point's turn is drawn to none.
LITTLE_SEEN = 20.0
# What draws a landmark's place to the fitted one where the photos, all from one side, don't tell.
DEPTH_HOLD = 0.3


@dataclass(frozen=True)
class Shown:
    """What one photo shows of the surface at N vertices."""

    normal: np.ndarray  # (N,3) unit, world space
    fitted: np.ndarray  # (N,3) the same of the fitted head
    weight: np.ndarray  # (N,) inverse variance of each component; zero where it shows nothing


@dataclass(frozen=True)
class Evidence:
    """All photos together; lengths in units, against the fitted neutral head."""

    landmarks: np.ndarray  # (68,3) of the fitted head, from the template's mean
    turned: np.ndarray  # (P,3) what the seen normals differ by at P points
    beside: np.ndarray  # (68,3) from the fitted landmarks to those that were found
    embedding: np.ndarray  # (D,) the mean

    def row(self) -> np.ndarray:
        """All numbers (204 + 3P + 204 + D,) in one row."""
        parts = (self.landmarks, self.turned, self.beside, self.embedding)
        return np.concatenate([part.ravel() for part in parts])


def shown(
    template: Template,
    pose: PhotoPose,
    positions: np.ndarray,
    images: Sequence[IntrinsicImages],
    vertices: np.ndarray,
) -> Shown:
    """At vertices (N,), indices, of the head whose vertices lie at positions (V,3) in the photo."""
    smooth = torch.from_numpy(positions.astype(np.float32))
    fitted = vertex_normals(smooth, template.faces).numpy()[vertices]
    points = pose.project(positions[vertices])[:, :2]
    seen = together([image.at(points) for image in images])
    weight = seen.on_head * smoothstep(SIDEWAYS, 2 * SIDEWAYS, fitted @ pose.towards())
    weight = weight * visible(pose, positions, template.faces)[vertices]
    return Shown(seen.normal @ pose.rotation, fitted, weight / (seen.variance + LEAST_VARIANCE))


def gather(
    template: Template,
    coefficients: torch.Tensor,
    points: np.ndarray,
    embedding: np.ndarray,
    photos: Sequence[PhotoFit],
    marks: Sequence[Landmarks],
    images: Sequence[Sequence[IntrinsicImages]],
) -> Evidence:
    """The evidence of N photos.

    Photos that were not understood say nothing about the surface.

    Args:
        coefficients: (I,) identity that the photos were fitted with.
        points: (P,) vertices at which the surface is compared.
        embedding: (D,) of the person.
        photos: how the head lies in each.
        marks: the landmarks found in each.
        images: for each photo its squares' intrinsic images.
    """
    neutral = template.neutral(coefficients).double().numpy()
    corners = template.landmarks.numpy()
    turned, weights = np.zeros((len(points), 3)), np.zeros((len(points), 1))
    pulls, hold = np.zeros((len(corners), 3)), np.zeros((len(corners), 3, 3))
    for photo, mark, seen in zip(photos, marks, images, strict=True):
        positions = neutral + template.expression(photo.arkit).double().numpy()
        axes = photo.pose.rotation[:2]  # the camera's right and up
        off = (mark.points - photo.pose.project(positions[corners])[:, :2]) / photo.pose.focal
        sure = (photo.pose.focal / mark.deviation)[:, None] ** 2
        pulls += sure * (off * np.array([1.0, -1.0]) @ axes)
        hold += sure[..., None] * (axes.T @ axes + DEPTH_HOLD * np.eye(3))
        if photo.understood:
            found = shown(template, photo.pose, positions, seen, points)
            turned += found.weight[:, None] * (found.normal - found.fitted)
            weights += found.weight[:, None]
    moved = neutral[corners] - template.mean.double().numpy()[corners]
    beside = np.linalg.solve(hold, pulls[..., None])[..., 0]
    return Evidence(moved, turned / (weights + LITTLE_SEEN), beside, embedding)

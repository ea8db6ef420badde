# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a head: a UV sphere with a nose, two eyeballs inside it and fake expressions."""

import numpy as np
import torch

from idto3d.asset.mesh import PosedMesh

EXPRESSIONS = ("neutral", "smile", "jaw_open")


def uv_sphere(rings: int, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed unit sphere with outward faces: vertices (V,3) float64, faces (F,3) int64."""
    polar = np.pi * np.arange(1, rings) / rings
    azimuth = 2 * np.pi * np.arange(segments) / segments
    polar, azimuth = (grid.ravel() for grid in np.meshgrid(polar, azimuth, indexing="ij"))
    ring_points = np.stack(
        [np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)], axis=1
    )
    vertices = np.concatenate([ring_points, [[0, 1, 0], [0, -1, 0]]])
    top, bottom = len(ring_points), len(ring_points) + 1
    faces = []
    for segment in range(segments):
        following = (segment + 1) % segments
        last = (rings - 2) * segments
        faces.append((top, segment, following))
        faces.append((bottom, last + following, last + segment))
        for ring in range(rings - 2):
            a, b = ring * segments + segment, ring * segments + following
            faces.append((a, a + segments, b))
            faces.append((b, a + segments, b + segments))
    return vertices, np.array(faces, dtype=np.int64)


def fake_head(rings: int = 64, segments: int = 96) -> PosedMesh:
    """Three poses in unit space: a bumpy ellipsoid, wider below, longer below."""
    sphere, faces = uv_sphere(rings, segments)
    nose = np.exp(-np.square(sphere - [0, -0.1, 1]).sum(axis=1) / 0.02)
    ripples = 0.004 * np.sin(25 * sphere[:, 0]) * np.sin(25 * sphere[:, 1])
    skull = sphere * [0.3, 0.42, 0.34] + [0, 0, 0.06] * nose[:, None] + sphere * ripples[:, None]
    eye, eye_faces = uv_sphere(16, 24)
    eyes = [0.04 * eye + [side, 0.05, 0.25] for side in (-0.1, 0.1)]
    vertices = np.concatenate([skull, *eyes])
    offsets = (0, len(skull), len(skull) + len(eye))
    all_faces = np.concatenate(
        [part + start for part, start in zip((faces, eye_faces, eye_faces), offsets, strict=True)]
    )
    lower = np.clip(-vertices[:, 1] / 0.42, 0, 1)[:, None]
    zero = np.zeros_like(vertices)
    smile = lower * np.sign(vertices[:, :1]) * np.minimum(np.abs(vertices[:, :1]), 0.1)
    jaw = lower**2 * [0.0, -0.08, 0.01]
    displacement = np.stack([zero, smile * [1.0, 0, 0], jaw]).astype(np.float32)
    return PosedMesh(vertices.astype(np.float32), displacement, all_faces)


def stripes(points: torch.Tensor) -> torch.Tensor:
    """A material that tells where it was asked: colours are the canonical position."""
    albedo = points + 0.5
    roughness = 0.5 + points[:, 1:2] / 2
    return torch.cat([albedo, roughness, torch.zeros_like(roughness)], dim=1).clamp(0, 1)

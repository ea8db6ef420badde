# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin inside the mouth and the tongue: their colour and light.

Photographs never show them, and the head's own colours were painted for a mouth that is shut.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components, dijkstra

from idto3d.anatomy.edges import edge_graph, way_along
from idto3d.head.regions import MOUTH, SKIN, face_centimetre, smoothstep
from idto3d.head.template import Template

CHEEK = np.array([0.55, 0.27, 0.26, 0.4, 0.0])  # sRGB albedo, roughness, metallic
TONGUE = np.array([0.66, 0.36, 0.35, 0.45, 0.0])
CHEEK_LIGHT, TONGUE_LIGHT = 0.3, 0.55  # ambient visibility in an open mouth
# The lips' own colour ends so many face centimetres behind their outline: in their middle, at the
# corners of the mouth, and over which way it fades.
_LIP, _CORNER, _FADE = 1.05, 0.3, 0.45


@dataclass(frozen=True)
class Lining:
    """What covers the head's own material, for each vertex (V,) of the head."""

    material: np.ndarray  # (V,5) float32: sRGB albedo, roughness, metallic
    share: np.ndarray  # (V,) float32: 0 the head's own material, 1 this one
    light: np.ndarray  # (V,) float32: the ambient visibility is no less


def mouth_lining(template: Template) -> Lining:
    """The lining of a head with the template's topology."""
    positions = template.mean.numpy().astype(np.float64)
    part, faces = template.part.numpy(), template.faces.numpy()
    count = len(positions)
    material = np.tile(CHEEK, (count, 1))
    share, light = np.zeros(count), np.zeros(count)
    graph = edge_graph(positions, faces[part[faces[:, 0]] == SKIN])
    marks = template.landmarks.numpy()
    lips = np.unique(way_along(graph, marks[[*range(48, 60), 48]]))
    inside = _behind(graph, lips)
    if len(inside):
        away = dijkstra(graph, indices=lips, min_only=True)
        cm = face_centimetre(positions[marks])
        side = np.clip(np.abs(positions[:, 0]) / np.abs(positions[marks[54], 0]), 0.0, 1.0) ** 2
        start = (_LIP + (_CORNER - _LIP) * side) * cm
        share[inside] = smoothstep(0.0, _FADE * cm, (away - start)[inside])
        light[inside] = CHEEK_LIGHT * share[inside]
    tongue = part == MOUTH
    material[tongue], share[tongue], light[tongue] = TONGUE, 1.0, TONGUE_LIGHT
    return Lining(material.astype(np.float32), share.astype(np.float32), light.astype(np.float32))


def _behind(graph: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """Vertices that hang on the rest of the head by the rim alone; none if nothing does."""
    whole = connected_components(graph, directed=False)[1]
    keep = whole == whole[rim[0]]
    keep[rim] = False
    vertices = np.flatnonzero(keep)
    _, label = connected_components(graph[vertices][:, vertices], directed=False)
    return vertices[label != np.bincount(label).argmax()]

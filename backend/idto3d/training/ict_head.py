# SPDX-License-Identifier: GPL-3.0-or-later
"""People from ICT-FaceKit (MIT), read from a folder the user names and laid on the template.

The model is never part of the project: its file is read here, used to render training data and
evaluation truth, and nothing of it is written back.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from idto3d.errors import UserError
from idto3d.head.regions import LEFT_EYE, MOUTH, RIGHT_EYE, SKIN, TEETH
from idto3d.head.template import Template
from idto3d.render.normals import vertex_normals
from idto3d.settings import HEAD_METRES

# ICT's parts by index: face, head and neck, mouth socket, eye sockets, gums, teeth, eyeballs.
_PART = {
    0: SKIN,
    1: SKIN,
    2: MOUTH,
    3: SKIN,
    4: SKIN,
    5: MOUTH,
    6: TEETH,
    7: LEFT_EYE,
    8: RIGHT_EYE,
}
# Along the jaw, the brows and the ridge of the nose the models' landmarks mark other places of the
# skin, up to 8 mm apart; those of eyes, nostrils and lips are the same.
OTHER_PLACES = slice(0, 31)
# ICT's shoulders are cut off where the template's neck ends.
NECK_BASE = -0.40
_TRANSPARENT = ("M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion", "M_EyeLashes")


@dataclass(frozen=True)
class IctHead:
    """All positions in the template's unit space."""

    mean: np.ndarray  # (V,3) float32
    identity: np.ndarray  # (100,V,3) float32, coefficients N(0,1)
    expression: np.ndarray  # (E,V,3) float32
    expression_names: tuple[str, ...]  # ICT's names, sides as _L and _R
    faces: np.ndarray  # (F,3) int64
    part: np.ndarray  # (V,) uint8, codes of texture.paint
    landmarks: np.ndarray  # (68,)
    template_landmarks: np.ndarray  # (68,) the vertices where the template has its landmarks
    to_template: np.ndarray  # (I,101) template coefficients = to_template @ [1, identity]

    def displacement(self, arkit: dict[str, float]) -> np.ndarray:
        """(V,3) displacement of ARKit weights."""
        total = np.zeros_like(self.mean)
        for name, weight in arkit.items():
            for alias in _aliases(name):
                if alias in self.expression_names:
                    total += weight * self.expression[self.expression_names.index(alias)]
        return total


def _aliases(name: str) -> tuple[str, ...]:
    if name.endswith("Left"):
        return (name[:-4] + "_L",)
    if name.endswith("Right"):
        return (name[:-5] + "_R",)
    return (name, name + "_L", name + "_R")


def load_ict(folder: Path, template: Template) -> IctHead:
    """Read `ict.npz` in `folder` and align it to the template. Raises UserError if missing."""
    path = folder / "ict.npz"
    if not path.is_file():
        raise UserError(f"There is no ict.npz in {folder}. Name ICT-FaceKit's folder with --ict.")
    with np.load(path, allow_pickle=False) as data:
        names = [str(name) for name in data["mat_names"]]
        opaque = ~np.isin(data["face_mat"], [names.index(name) for name in _TRANSPARENT])
        faces = data["faces"][opaque].astype(np.int64)
        source_part = data["vert_part"]
        scale = 1.0 / (100.0 * HEAD_METRES)
        mean = data["mean"].astype(np.float64) * scale
        identity = data["id"].astype(np.float32) * scale
        expression = data["ex"].astype(np.float32) * scale
        expression_names = tuple(str(name) for name in data["ex_names"])
        landmarks = data["lm68"].astype(np.int64)
    used = np.zeros(len(mean), dtype=bool)
    used[faces.ravel()] = True
    used[landmarks] = True
    renumber = np.cumsum(used) - 1
    faces, landmarks = renumber[faces], renumber[landmarks]
    part = np.array([_PART.get(int(code), SKIN) for code in source_part[used]], dtype=np.uint8)
    outer = np.isin(source_part[used], (0, 1))
    mean, identity, expression = mean[used], identity[:, used], expression[:, used]

    rotation, size, shift, coefficients = _register(template, mean, faces, outer, landmarks)
    # Carry ICT into the template's frame.
    mean = ((mean - shift) @ rotation) / size
    identity, expression = identity @ rotation / size, expression @ rotation / size
    to_template = _template_map(template, coefficients, mean, identity, outer)
    faces = faces[mean[faces][..., 1].min(axis=1) > NECK_BASE]
    return IctHead(
        mean.astype(np.float32),
        identity.astype(np.float32),
        expression.astype(np.float32),
        expression_names,
        faces,
        part,
        landmarks,
        _template_landmarks(template, coefficients, mean, outer, landmarks),
        to_template,
    )


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Umeyama 1991: target ~ size * source @ rotation.T + shift."""
    a, b = source.mean(0), target.mean(0)
    u, d, vt = np.linalg.svd((target - b).T @ (source - a))
    sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    rotation = u @ np.diag(sign) @ vt
    size = float((d * sign).sum() / ((source - a) ** 2).sum())
    return rotation, size, b - size * rotation @ a


def _register(
    template: Template, mean: np.ndarray, faces: np.ndarray, outer: np.ndarray, marks: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Iterated closest points with the template's identity basis: similarity and coefficients."""
    base = template.mean.numpy().astype(np.float64)
    basis = template.identity_basis.numpy().astype(np.float64)
    template_faces = template.faces
    normals = vertex_normals(torch.from_numpy(mean).float(), torch.from_numpy(faces)).numpy()
    targets = np.flatnonzero(outer)
    tree = cKDTree(mean[targets])
    skin = template.part.numpy() == 0
    rotation, size, shift = _similarity(base[template.landmarks.numpy()], mean[marks])
    coefficients = np.zeros(len(basis))
    for iteration in range(32):
        shape = base + np.tensordot(coefficients, basis, 1)
        placed = size * shape @ rotation.T + shift
        own = vertex_normals(torch.from_numpy(placed).float(), template_faces).numpy()
        distance, nearest = tree.query(placed)
        point, normal = mean[targets[nearest]], normals[targets[nearest]]
        reach = 0.08 if iteration < 6 else 0.04 if iteration < 14 else 0.025
        good = skin & ((own * normal).sum(1) > 0.6) & (distance < reach) & (placed[:, 1] > -0.2)
        rotation, size, shift = _similarity(shape[good], point[good])
        residual = ((point - shift) @ rotation / size - base)[good]
        toward = (normal @ rotation)[good]
        plane = (basis[:, good] * toward).sum(2).T
        # Point to plane, a little point to point, and the basis' own prior.
        weight = 1e-4 if iteration < 12 else 5e-6
        system = plane.T @ plane + 0.1 * np.einsum("kvc,lvc->kl", basis[:, good], basis[:, good])
        system += weight * good.sum() * np.eye(len(basis))
        right = plane.T @ (residual * toward).sum(1)
        right += 0.1 * np.einsum("kvc,vc->k", basis[:, good], residual)
        coefficients = np.linalg.solve(system, right)
    return rotation, size, shift, coefficients


def _template_map(
    template: Template,
    coefficients: np.ndarray,
    mean: np.ndarray,
    identity: np.ndarray,
    outer: np.ndarray,
) -> np.ndarray:
    """Linear map from ICT's identity to the template's coefficients, by fixed closest points."""
    base = template.mean.numpy().astype(np.float64)
    basis = template.identity_basis.numpy().astype(np.float64)
    targets = np.flatnonzero(outer)
    shape = base + np.tensordot(coefficients, basis, 1)
    distance, nearest = cKDTree(mean[targets]).query(shape)
    good = (template.part.numpy() == 0) & (distance < 0.02)
    chosen = targets[nearest[good]]
    rows = basis[:, good].reshape(len(basis), -1)
    system = rows @ rows.T + 5e-6 * good.sum() * np.eye(len(basis))
    moves = identity[:, chosen].reshape(len(identity), -1).astype(np.float64)
    return np.concatenate([coefficients[:, None], np.linalg.solve(system, rows @ moves.T)], axis=1)


def _template_landmarks(
    template: Template,
    coefficients: np.ndarray,
    mean: np.ndarray,
    outer: np.ndarray,
    landmarks: np.ndarray,
) -> np.ndarray:
    """(68,) vertices of ICT's mean at the landmarks of the template that is laid on it."""
    shape = template.neutral(torch.from_numpy(coefficients).float()).numpy()
    targets = np.flatnonzero(outer)
    _, nearest = cKDTree(mean[targets]).query(shape[template.landmarks[OTHER_PLACES]])
    found = landmarks.copy()
    found[OTHER_PLACES] = targets[nearest]
    return found

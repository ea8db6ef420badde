# SPDX-License-Identifier: GPL-3.0-or-later
"""Another parametric head in the template's place: FLAME from an npz file, ICT-FaceKit from its
folder.

What another model lacks is carried over from the shipped template along closest points: ARKit
expressions, landmarks, which part is an eye, and stage 0, whose guess of the shipped coefficients
is turned into the other model's by one linear map. Nothing of the models is shipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from idto3d.errors import UNREADABLE_NPZ, UserError
from idto3d.head.stage_zero import StageZero
from idto3d.head.template import Template, save_template
from idto3d.render.normals import vertex_normals
from idto3d.settings import HEAD_METRES
from idto3d.training.ict_head import load_ict
from idto3d.training.nphm import NECK_BASE, ScanMesh, shift_to_template
from idto3d.training.occlusion import ambient_visibility

FLAME_SHAPES = 100  # of FLAME's 300 shape components; the rest is below a millimetre
_NEIGHBOURS = 3  # template vertices that a vertex of the other model takes after
# How far apart opposite normals count, in units: lips that touch are kept apart by it.
_NORMAL_WEIGHT = 0.05
_RIDGE = 1e-8  # on coefficients, for each vertex


@dataclass(frozen=True)
class Model:
    """Another head model in the template's unit space, upright, facing +Z."""

    mean: np.ndarray  # (V,3) float32
    faces: np.ndarray  # (F,3) int64
    identity: np.ndarray  # (I,V,3) float32, coefficients about N(0,1)
    expressions: Mapping[str, np.ndarray] | None  # ARKit name -> (V,3); None = carried over


def read_flame(path: Path, shipped: Template) -> Model:
    """FLAME (Li et al. 2017) from an npz with v_template, shapedirs and f, as its pickle has them.

    Pickles are refused: opening one runs whatever it holds. Raises UserError for another file.
    """
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise UserError(
            f"{path} is a pickle, which may run programs when it is opened. Convert it to .npz "
            "yourself where you trust it: v_template, shapedirs and f as plain arrays."
        )
    try:
        with np.load(path, allow_pickle=False) as data:
            mean = data["v_template"].astype(np.float64) / HEAD_METRES
            faces = data["f"].astype(np.int64)
            shapes = data["shapedirs"][..., :FLAME_SHAPES].astype(np.float64) / HEAD_METRES
    except UNREADABLE_NPZ as error:
        raise UserError(
            f"{path} is no FLAME model ({error}). Give an .npz with v_template, shapedirs and f "
            "as plain arrays, no objects."
        ) from error
    if shapes.ndim != 3 or shapes.shape[:2] != mean.shape or faces.max() >= len(mean):
        raise UserError(f"{path} is no FLAME model: its arrays don't fit. Convert it again.")
    mean = mean + shift_to_template(ScanMesh(mean.astype(np.float32), faces, None), shipped)
    return Model(
        mean.astype(np.float32), faces, np.moveaxis(shapes, -1, 0).astype(np.float32), None
    )


def read_ict(folder: Path, shipped: Template) -> Model:
    """ICT-FaceKit with its own expressions. Raises UserError when the folder lacks it."""
    head = load_ict(folder, shipped)
    expressions = {name: head.displacement({name: 1.0}) for name in shipped.expression_names}
    return Model(head.mean, head.faces, head.identity, expressions)


def convert(model: Model, shipped: Template) -> tuple[Template, np.ndarray]:
    """The model as a template, and (I, J+1) what turns [1, shipped coefficients] into its own."""
    coefficients = fit_shipped(shipped, model.mean)
    shaped = shipped.neutral(torch.from_numpy(coefficients)).numpy()
    rows, weights = _neighbours(model, shaped, shipped.faces)

    def carried(basis: np.ndarray) -> np.ndarray:
        """(K,Vs,3) on the shipped vertices to (K,V,3) on the model's."""
        return np.einsum("vn,kvnc->kvc", weights, basis[:, rows])

    expression = carried(shipped.expression_basis.numpy())
    if model.expressions is not None:
        expression = np.stack([model.expressions[name] for name in shipped.expression_names])
    _, landmarks = cKDTree(model.mean).query(shaped[shipped.landmarks.numpy()])
    template = Template(
        torch.from_numpy(model.mean),
        torch.from_numpy(model.faces),
        torch.from_numpy(_parts(model, shipped.part.numpy()[rows[:, 0]])),
        torch.from_numpy(model.identity),
        torch.from_numpy(expression.astype(np.float32)),
        shipped.expression_names,
        torch.from_numpy(landmarks.astype(np.int64)),
        torch.from_numpy(ambient_visibility(model.mean, model.faces)),
    )
    inside = model.mean[:, 1] > NECK_BASE
    own = model.identity[:, inside].reshape(len(model.identity), -1).astype(np.float64)
    theirs = carried(shipped.identity_basis.numpy())[:, inside].reshape(
        len(shipped.identity_basis), -1
    )
    base = carried(shipped.mean.numpy()[None])[0]
    offset = (base - model.mean)[inside].ravel()
    system = own @ own.T + _RIDGE * inside.sum() * np.eye(len(own))
    targets = np.concatenate([offset[None], theirs])
    return template, np.linalg.solve(system, own @ targets.T)


def fit_shipped(shipped: Template, points: np.ndarray, rounds: int = 12) -> np.ndarray:
    """(J,) float32 coefficients of the shipped template that bring its skin near the points (V,3),
    by iterated closest points with the basis' own prior."""
    skin = np.flatnonzero((shipped.part == 0).numpy() & (shipped.mean[:, 1] > -0.3).numpy())
    basis = shipped.identity_basis.numpy()[:, skin].astype(np.float64)
    mean = shipped.mean.numpy()[skin].astype(np.float64)
    tree, coefficients = cKDTree(points), np.zeros(len(basis))
    for _ in range(rounds):
        shape = mean + np.tensordot(coefficients, basis, 1)
        distance, nearest = tree.query(shape)
        near = distance <= max(np.median(distance) * 3, 1e-4)
        flat = basis[:, near].reshape(len(basis), -1)
        residual = (points[nearest[near]] - mean[near]).ravel()
        system = flat @ flat.T + 1e-5 * near.sum() * np.eye(len(basis))
        coefficients = np.linalg.solve(system, flat @ residual)
    return coefficients.astype(np.float32)


def convert_stage_zero(stage: StageZero, matrix: np.ndarray) -> StageZero:
    """Stage 0 that guesses the other model's coefficients; tone, gender and age stay."""
    size = matrix.shape[1] - 1
    coefficients = stage.weights[:, :size] @ matrix[:, 1:].T
    coefficients[-1] += matrix[:, 0]
    return StageZero(
        stage.mean,
        stage.scale,
        np.concatenate([coefficients, stage.weights[:, size:]], axis=1),
        np.sqrt(matrix[:, 1:] ** 2 @ stage.spread**2),
    )


def write_folder(folder: Path, template: Template, stage: StageZero) -> None:
    """`head.npz` and `stage_zero.npz`, as `--template` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "stage_zero.npz",
        mean=stage.mean,
        scale=stage.scale,
        weights=stage.weights,
        spread=stage.spread,
    )
    save_template(template, folder / "head.npz")


def _neighbours(
    model: Model, shaped: np.ndarray, faces: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """(V,3) template vertices near each vertex of the model that face the same way, and weights."""
    own = vertex_normals(torch.from_numpy(shaped).float(), faces).numpy()
    other = vertex_normals(torch.from_numpy(model.mean), torch.from_numpy(model.faces)).numpy()
    tree = cKDTree(np.concatenate([shaped, _NORMAL_WEIGHT * own], axis=1))
    distance, rows = tree.query(
        np.concatenate([model.mean, _NORMAL_WEIGHT * other], axis=1), _NEIGHBOURS
    )
    weights = 1.0 / (distance**2 + 1e-10)
    return rows, weights / weights.sum(axis=1, keepdims=True)


def _parts(model: Model, nearest: np.ndarray) -> np.ndarray:
    """(V,) uint8: each connected piece is what most of its vertices lie next to."""
    edges = np.concatenate([model.faces[:, [0, 1]], model.faces[:, [1, 2]]])
    count = len(model.mean)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    _, piece = connected_components(graph, directed=False)
    votes = np.zeros((piece.max() + 1, int(nearest.max()) + 1))
    np.add.at(votes, (piece, nearest), 1)
    return votes.argmax(axis=1)[piece].astype(np.uint8)

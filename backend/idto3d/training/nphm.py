# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans of real people in NPHM's published layout, brought into our frame.

Giebenhain et al., "Learning Neural Parametric Head Models", CVPR 2023. The data are for
non-commercial research, on request; the person names the folder, and nothing of it is copied.

    FOLDER/017/000/scan.ply            what the scanner saw, with colours
    FOLDER/017/000/registration.ply    the same on one topology, without
    FOLDER/017/001/...                 the same person, another expression

Coordinates there: FLAME's (metres, Y up, +Z out of the face) times four.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree
from trimesh.visual import ColorVisuals, TextureVisuals

from idto3d.errors import UserError
from idto3d.head.template import Template
from idto3d.settings import HEAD_METRES

FLAME_TIMES = 4.0
MESHES = ("scan", "registration")
# Scans go down to the chest; ours end where the template's neck does.
NECK_BASE = -0.40
# What a vertex without colour is painted with: nobody's, so it is never trained on as albedo.
_GREY = 0.5
_ALIGNED = 4000  # template points that the translation is found from


@dataclass(frozen=True)
class Scan:
    """One scan on the disk."""

    subject: int
    expression: int  # number in the order of capture, not the same one for all subjects
    path: Path


@dataclass(frozen=True)
class ScanMesh:
    """One scan in the template's unit space."""

    vertices: np.ndarray  # (V,3) float32
    faces: np.ndarray  # (F,3) int64
    colours: np.ndarray | None  # (V,3) float32 sRGB; None where the file has none


def find_scans(folder: Path, mesh: str) -> list[Scan]:
    """All scans of a kind (one of MESHES), by subject and expression.

    Raises UserError when the folder holds none.
    """
    scans = [
        Scan(int(path.parent.parent.name), int(path.parent.name), path)
        for path in folder.glob(f"*/*/{mesh}.ply")
        if path.parent.name.isdigit() and path.parent.parent.name.isdigit()
    ]
    if not scans:
        raise UserError(
            f"{folder} holds no NPHM data: there is no SUBJECT/EXPRESSION/{mesh}.ply in it. "
            "Name the folder that holds 017, 018 and so on."
        )
    return sorted(scans, key=lambda scan: (scan.subject, scan.expression))


def read_scan(path: Path) -> ScanMesh:
    """A PLY file of NPHM in our scale, not yet moved onto the template.

    Raises UserError when it is no mesh.
    """
    try:
        mesh = trimesh.load_mesh(path, file_type="ply", process=False)
        vertices = np.asarray(mesh.vertices, dtype=np.float64)
        faces = np.asarray(mesh.faces, dtype=np.int64)
    # trimesh raises whatever its parser trips over.
    except Exception as error:
        raise UserError(f"The scan {path} can't be read ({error}). Unpack it again.") from error
    if len(faces) == 0 or not np.isfinite(vertices).all():
        raise UserError(f"The scan {path} holds no triangles. Unpack it again.")
    visual = mesh.visual
    if isinstance(visual, TextureVisuals) and visual.uv is not None:
        visual = visual.to_color()
    colours = None
    if isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        colours = np.asarray(visual.vertex_colors)[:, :3].astype(np.float32) / 255
    scale = 1.0 / (FLAME_TIMES * HEAD_METRES)
    return ScanMesh((vertices * scale).astype(np.float32), faces, colours)


def shift_to_template(scan: ScanMesh, template: Template) -> np.ndarray:
    """(3,) what to add to the scan's vertices: scale and orientation are the data set's.

    Starts from the tip of the nose, then follows closest points of the skin, the farther half of
    which is left out each time (trimmed iterated closest points, Chetverikov et al. 2002).
    """
    skin = template.mean.numpy()[template.part.numpy() == 0].astype(np.float64)
    skin = skin[skin[:, 1] > NECK_BASE + 0.1]
    points = skin[:: max(1, len(skin) // _ALIGNED)]
    tree = cKDTree(scan.vertices)
    shift = _nose_tip(skin) - _nose_tip(scan.vertices.astype(np.float64))
    for _ in range(30):
        distance, nearest = tree.query(points - shift)
        near = distance <= np.median(distance)
        step = (points[near] - shift - scan.vertices[nearest[near]]).mean(axis=0)
        shift = shift + step
        if np.abs(step).max() < 1e-5:
            break
    return shift


def placed(scan: ScanMesh, shift: np.ndarray) -> ScanMesh:
    """The scan moved by `shift`, without what lies below the neck."""
    vertices = (scan.vertices + shift).astype(np.float32)
    faces = scan.faces[vertices[scan.faces][..., 1].min(axis=1) > NECK_BASE]
    if not len(faces):
        raise UserError("A scan lies outside of the head's place. Is it in NPHM's coordinates?")
    used, faces = np.unique(faces, return_inverse=True)
    colours = None if scan.colours is None else scan.colours[used]
    return ScanMesh(vertices[used], faces.reshape(-1, 3).astype(np.int64), colours)


def colours_or_grey(scan: ScanMesh) -> np.ndarray:
    """(V,3) float32 sRGB."""
    if scan.colours is not None:
        return scan.colours
    return np.full_like(scan.vertices, _GREY)


def _nose_tip(vertices: np.ndarray) -> np.ndarray:
    """The foremost point near the middle."""
    middle = vertices[np.abs(vertices[:, 0] - np.median(vertices[:, 0])) < 0.06]
    return middle[middle[:, 2].argmax()]

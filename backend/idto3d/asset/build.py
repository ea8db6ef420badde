# SPDX-License-Identifier: GPL-3.0-or-later
"""From the optimiser's surface and material to an asset: simplify, unwrap, bake, write."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.spatial import cKDTree

from idto3d.anatomy.attach import SHEET, Attached
from idto3d.anatomy.lining import Lining
from idto3d.asset.bake import BakeSurface, FineSurface, Maps, MaterialFunction, bake
from idto3d.asset.files import make_folder, write_whole
from idto3d.asset.gltf import GltfMesh, GltfTextures, MorphTarget, write_glb
from idto3d.asset.mesh import PosedMesh, neck_base, to_metres
from idto3d.asset.simplify import simplify
from idto3d.asset.tangents import vertex_tangents
from idto3d.asset.uv import UvLayout, unwrap
from idto3d.render.normals import vertex_normals
from idto3d.render.occlusion import ambient_occlusion

NEUTRAL = 0  # The pose that the asset rests in comes first everywhere below.
# The inside of a mouth is black while it is shut, but the same texels show when it opens.
DARKEST_OCCLUSION = 0.25


@dataclass(frozen=True)
class AssetSettings:
    """How large the asset may be."""

    faces: int = 20_000  # at most; engines and artists are at ease with 10 to 50 thousand
    texture_size: int = 1024  # side of each map in texels: 1024 or 2048


@dataclass(frozen=True)
class HeadModel:
    """A finished head in unit space; vertices are split at UV seams."""

    expressions: tuple[str, ...]  # K names, the neutral one first
    faces: np.ndarray  # (F,3) int64
    uv: np.ndarray  # (U,2) float32, v downwards
    positions: np.ndarray  # (K,U,3) float32
    normals: np.ndarray  # (K,U,3) float32, unit, smooth across seams
    tangents: np.ndarray  # (U,4) float32 of the neutral pose
    maps: Maps


def build_head(
    surface: PosedMesh,
    expressions: Sequence[str],
    material: MaterialFunction,
    settings: AssetSettings,
    device: torch.device | str = "cpu",
    attached: Attached | None = None,
) -> HeadModel:
    """Make the asset of a full-resolution surface.

    surface: K poses, the neutral first. expressions: their K names. material: the material field
    at canonical points (see `bake`), on `device`. attached: teeth and lashes in the same K poses;
    they come after the head's own vertices and faces, as they are. Raises ValueError when names and
    poses differ in number.
    """
    if len(expressions) != len(surface.displacement):
        raise ValueError(f"{len(expressions)} names for {len(surface.displacement)} poses")
    light = simplify(surface, settings.faces)
    sheet = None if attached is None else SHEET
    layout = unwrap(light.poses[NEUTRAL], light.faces, settings.texture_size, sheet)
    # Normals come from the unsplit mesh, so the seams of the atlas don't show.
    head = _head_part(light, layout, device)
    if attached is not None:
        head = _lined(head, attached.lining, surface.canonical)
    split = head if attached is None else _joined(head, _attached_part(attached, layout))
    tangents = vertex_tangents(
        split.positions[NEUTRAL], split.normals[NEUTRAL], split.uv, split.faces
    )
    baked = _bake_surface(split, tangents, device)
    fine = FineSurface(
        torch.from_numpy(surface.canonical).to(device),
        torch.from_numpy(surface.faces).to(device),
        torch.from_numpy(mesh_normals(surface.poses[NEUTRAL], surface.faces)).to(device),
    )
    maps = bake(baked, fine, material, settings.texture_size)
    return HeadModel(
        tuple(expressions), split.faces, split.uv, split.positions, split.normals, tangents, maps
    )


def mesh_normals(positions: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertex normals (…,V,3) float32 of positions (…,V,3), faces (F,3), through the renderer."""
    return vertex_normals(torch.from_numpy(positions), torch.from_numpy(faces)).numpy()


@dataclass(frozen=True)
class _Split:
    """The head, the attached parts or both, over vertices that are split at UV seams."""

    faces: np.ndarray  # (F,3) int64
    uv: np.ndarray  # (U,2) float32
    positions: np.ndarray  # (K,U,3) float32
    normals: np.ndarray  # (K,U,3) float32
    canonical: np.ndarray  # (U,3) float32; of no meaning for attached parts
    occlusion: np.ndarray  # (U,) float32
    own: np.ndarray  # (U,5) float32: material that covers the field's
    share: np.ndarray  # (U,) float32 of `own`; 1 for attached parts


def _head_part(light: PosedMesh, layout: UvLayout, device: torch.device | str) -> _Split:
    normals = mesh_normals(light.poses, light.faces)
    occlusion = ambient_occlusion(
        torch.from_numpy(light.poses[NEUTRAL]).to(device),
        torch.from_numpy(light.faces).to(device),
        torch.from_numpy(normals[NEUTRAL]).to(device),
    )
    count = len(layout.original)
    return _Split(
        layout.faces,
        layout.uv,
        light.poses[:, layout.original],
        normals[:, layout.original],
        light.canonical[layout.original],
        occlusion.clamp(min=DARKEST_OCCLUSION).cpu().numpy()[layout.original],
        np.zeros((count, 5), dtype=np.float32),
        np.zeros(count, dtype=np.float32),
    )


def _lined(head: _Split, lining: Lining, canonical: np.ndarray) -> _Split:
    """The head with its mouth's lining, given for the full-resolution vertices (V,3)."""
    nearest = cKDTree(canonical).query(head.canonical)[1]
    return replace(
        head,
        own=lining.material[nearest],
        share=lining.share[nearest],
        occlusion=np.maximum(head.occlusion, lining.light[nearest]),
    )


def _attached_part(attached: Attached, layout: UvLayout) -> _Split:
    corner, along, down = layout.sheet
    normals = mesh_normals(attached.positions, attached.original[attached.faces])
    positions = attached.positions[:, attached.original]
    return _Split(
        attached.faces,
        corner + attached.uv[:, :1] * along + attached.uv[:, 1:] * down,
        positions,
        normals[:, attached.original],
        positions[NEUTRAL],
        attached.occlusion,
        attached.material,
        np.ones(len(attached.original), dtype=np.float32),
    )


def _joined(head: _Split, attached: _Split) -> _Split:
    """Both in one, the head's vertices and faces first."""

    def both(name: str, axis: int = 0) -> np.ndarray:
        return np.concatenate([getattr(head, name), getattr(attached, name)], axis=axis)

    return _Split(
        np.concatenate([head.faces, attached.faces + len(head.uv)]),
        both("uv"),
        both("positions", axis=1),
        both("normals", axis=1),
        both("canonical"),
        both("occlusion"),
        both("own"),
        both("share"),
    )


def _bake_surface(split: _Split, tangents: np.ndarray, device: torch.device | str) -> BakeSurface:
    def on_device(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(device)

    return BakeSurface(
        faces=on_device(split.faces),
        uv=on_device(split.uv),
        canonical=on_device(split.canonical),
        normals=on_device(split.normals[NEUTRAL]),
        tangents=on_device(tangents),
        occlusion=on_device(split.occlusion),
        own=on_device(split.own),
        share=on_device(split.share),
    )


def gltf_mesh(model: HeadModel) -> GltfMesh:
    """The model in metres with the neck's base at the origin, expressions as morph targets."""
    origin = neck_base(model.positions[NEUTRAL])
    neutral = to_metres(model.positions[NEUTRAL], origin)
    return GltfMesh(
        positions=neutral,
        normals=model.normals[NEUTRAL],
        faces=model.faces,
        uv=model.uv,
        tangents=model.tangents,
        morph_targets=tuple(
            MorphTarget(
                name,
                to_metres(model.positions[index], origin) - neutral,
                model.normals[index] - model.normals[NEUTRAL],
            )
            for index, name in enumerate(model.expressions)
            if index != NEUTRAL
        ),
    )


def write_asset(
    folder: Path, model: HeadModel, name: str, generator: str, extras: dict[str, Any]
) -> None:
    """Write `head.glb` with its textures inside, and `maps/*.png` beside it.

    name: of the object, the person. extras: a few provenance facts for the file's header.
    Raises UserError when the disk refuses.
    """
    images = {kind: png_bytes(values) for kind, values in vars(model.maps).items()}
    make_folder(folder / "maps")
    for kind, data in images.items():
        write_whole(folder / "maps" / f"{kind}.png", data)
    path = folder / "head.glb"
    write_glb(path, gltf_mesh(model), GltfTextures(**images), name, generator, extras)


def png_bytes(image: np.ndarray) -> bytes:
    """An (H,W,3) uint8 image as a PNG file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()

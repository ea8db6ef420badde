# SPDX-License-Identifier: GPL-3.0-or-later
"""A light glTF of a head in the making: no atlas, no textures, vertex colours only."""

from pathlib import Path

import numpy as np
import torch

from idto3d.asset.gltf import GltfMesh, write_glb
from idto3d.asset.mesh import neck_base, to_metres
from idto3d.render.normals import vertex_normals


def write_preview(
    path: Path, vertices: torch.Tensor, faces: torch.Tensor, albedo: torch.Tensor | None, name: str
) -> None:
    """Write the neutral head with the colours that it has so far.

    vertices: (V,3) unit space. faces: (F,3). albedo: (V,3) sRGB in [0,1], or None before the
    texture stage (a matt white then). The file appears whole or not at all, so a watcher may
    read it at any time. Raises UserError when the disk refuses.
    """
    positions = vertices.detach().cpu().numpy()
    colours = None if albedo is None else srgb_to_linear_array(albedo.detach().cpu().numpy())
    mesh = GltfMesh(
        positions=to_metres(positions, neck_base(positions)),
        normals=vertex_normals(vertices.detach(), faces).cpu().numpy(),
        faces=faces.cpu().numpy(),
        colours=colours,
    )
    write_glb(path, mesh, None, name, "ID-to-3D for Blender preview", {"preview": True})


def srgb_to_linear_array(colours: np.ndarray) -> np.ndarray:
    """sRGB values in [0,1] to linear float32 (IEC 61966-2-1): glTF's vertex colours are linear."""
    low = colours / 12.92
    high = ((np.maximum(colours, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(colours <= 0.04045, low, high).astype(np.float32)

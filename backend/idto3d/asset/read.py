# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished `head.glb` as a model again: what the artist gets, and nothing else."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from idto3d.asset.bake import Maps
from idto3d.asset.build import HeadModel
from idto3d.asset.gltf import read_accessor, read_glb
from idto3d.errors import UserError
from idto3d.settings import HEAD_METRES


def read_head(path: Path) -> HeadModel:
    """The head in a GLB that `write_asset` wrote, in unit space but with the neck's base at zero.

    Raises UserError when the file is missing or is no such head.
    """
    try:
        document, binary = read_glb(path)
        return _model(document, binary)
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise UserError(
            f"{path} is not a finished head ({error}). Let 'idto3d resume' finish its job first."
        ) from error


def _model(document: dict[str, Any], binary: bytes) -> HeadModel:
    mesh = document["meshes"][0]
    primitive = mesh["primitives"][0]

    def values(accessor: int) -> np.ndarray:
        return read_accessor(document, binary, accessor)

    attributes = {name: values(index) for name, index in primitive["attributes"].items()}
    targets = [
        {name: values(index) for name, index in target.items()}
        for target in primitive.get("targets", [])
    ]
    names = mesh.get("extras", {}).get("targetNames", [])
    neutral, normals = attributes["POSITION"], attributes["NORMAL"]
    positions = np.stack([neutral, *(neutral + target["POSITION"] for target in targets)])
    turned = np.stack([normals, *(normals + target["NORMAL"] for target in targets)])
    material = document["materials"][primitive["material"]]
    surface = material["pbrMetallicRoughness"]
    maps = Maps(
        *(
            _picture(document, binary, slot["index"])
            for slot in (
                surface["baseColorTexture"],
                material["normalTexture"],
                surface["metallicRoughnessTexture"],
            )
        )
    )
    return HeadModel(
        ("neutral", *names),
        values(primitive["indices"]).reshape(-1, 3).astype(np.int64),
        attributes["TEXCOORD_0"].copy(),
        (positions / HEAD_METRES).astype(np.float32),
        turned.astype(np.float32),
        attributes["TANGENT"].copy(),
        maps,
    )


def _picture(document: dict[str, Any], binary: bytes, texture: int) -> np.ndarray:
    """(S,S,3) uint8 of one texture."""
    image = document["images"][document["textures"][texture]["source"]]
    view = document["bufferViews"][image["bufferView"]]
    start = view["byteOffset"]
    with Image.open(io.BytesIO(binary[start : start + view["byteLength"]])) as picture:
        return np.asarray(picture.convert("RGB"))

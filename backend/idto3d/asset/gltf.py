# SPDX-License-Identifier: GPL-3.0-or-later
"""A head as a binary glTF 2.0 file: one mesh, morph targets, one material with its textures.

The container is the specification's chapter 4.4 (GLB); only what a head needs is written. Space
is glTF's own: metres, right-handed, Y up, +Z front.
"""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.asset.files import write_whole

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
UNSIGNED_SHORT, UNSIGNED_INT, FLOAT = 5123, 5125, 5126
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071


@dataclass(frozen=True)
class MorphTarget:
    """One expression, as what it adds to the neutral face."""

    name: str  # ASCII letters, digits and _ survive every exchange format
    positions: np.ndarray  # (V,3) float32 metres
    normals: np.ndarray  # (V,3) float32


@dataclass(frozen=True)
class GltfMesh:
    """The neutral head and its expressions, ready to be written."""

    positions: np.ndarray  # (V,3) float32 metres
    normals: np.ndarray  # (V,3) float32, unit
    faces: np.ndarray  # (F,3) int, counter-clockwise seen from outside
    uv: np.ndarray | None = None  # (V,2) float32, v downwards
    tangents: np.ndarray | None = None  # (V,4) float32, needs uv
    colours: np.ndarray | None = None  # (V,3) float32 in [0,1], linear RGB
    morph_targets: tuple[MorphTarget, ...] = ()


@dataclass(frozen=True)
class GltfTextures:
    """PNG or JPEG files as bytes; they fill the metallic-roughness material."""

    albedo: bytes  # sRGB
    normal: bytes  # tangent space
    orm: bytes  # occlusion, roughness, metallic


@dataclass
class _Builder:
    """The document and its binary chunk while they grow."""

    binary: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def view(self, data: bytes, target: int | None) -> int:
        """Append bytes, aligned to four; returns the buffer view's index."""
        self.binary.extend(b"\0" * (-len(self.binary) % 4))
        view: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": len(self.binary),
            "byteLength": len(data),
        }
        if target is not None:
            view["target"] = target
        self.binary.extend(data)
        self.views.append(view)
        return len(self.views) - 1

    def vectors(self, values: np.ndarray, bounds: bool = False) -> int:
        """Append (V,2..4) float32 vertex data; returns the accessor's index."""
        values = np.ascontiguousarray(values, dtype="<f4")
        accessor: dict[str, Any] = {
            "bufferView": self.view(values.tobytes(), ARRAY_BUFFER),
            "componentType": FLOAT,
            "count": len(values),
            "type": f"VEC{values.shape[1]}",
        }
        if bounds:  # The specification demands them for positions.
            accessor["min"] = [float(value) for value in values.min(axis=0)]
            accessor["max"] = [float(value) for value in values.max(axis=0)]
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def indices(self, faces: np.ndarray, vertex_count: int) -> int:
        """Append (F,3) indices in the smallest type that holds them."""
        # The highest value of each type is reserved (primitive restart).
        short = vertex_count <= 65535
        values = np.ascontiguousarray(faces.reshape(-1), dtype="<u2" if short else "<u4")
        self.accessors.append(
            {
                "bufferView": self.view(values.tobytes(), ELEMENT_ARRAY_BUFFER),
                "componentType": UNSIGNED_SHORT if short else UNSIGNED_INT,
                "count": len(values),
                "type": "SCALAR",
            }
        )
        return len(self.accessors) - 1


def glb_bytes(
    mesh: GltfMesh,
    textures: GltfTextures | None,
    name: str,
    generator: str,
    extras: dict[str, Any],
) -> bytes:
    """The whole file: `name` for the object, mesh and material, `extras` into the asset header.

    Raises ValueError when the mesh has textures but no uv.
    """
    if textures is not None and mesh.uv is None:
        raise ValueError("textures need uv")
    builder = _Builder()
    attributes = {"POSITION": builder.vectors(mesh.positions, bounds=True)}
    attributes["NORMAL"] = builder.vectors(mesh.normals)
    if mesh.tangents is not None:
        attributes["TANGENT"] = builder.vectors(mesh.tangents)
    if mesh.uv is not None:
        attributes["TEXCOORD_0"] = builder.vectors(mesh.uv)
    if mesh.colours is not None:
        attributes["COLOR_0"] = builder.vectors(mesh.colours)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": builder.indices(mesh.faces, len(mesh.positions)),
        "material": 0,
    }
    gltf_mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if mesh.morph_targets:
        primitive["targets"] = [
            {
                "POSITION": builder.vectors(target.positions, bounds=True),
                "NORMAL": builder.vectors(target.normals),
            }
            for target in mesh.morph_targets
        ]
        gltf_mesh["weights"] = [0.0] * len(mesh.morph_targets)
        gltf_mesh["extras"] = {"targetNames": [target.name for target in mesh.morph_targets]}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": generator, "extras": extras},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}],
        "meshes": [gltf_mesh],
        "materials": [_material(name, textures)],
        "accessors": builder.accessors,
        "bufferViews": builder.views,
    }
    if textures is not None:
        document["images"] = [
            {
                "name": f"{name}_{kind}",
                "mimeType": "image/png" if data.startswith(b"\x89PNG") else "image/jpeg",
                "bufferView": builder.view(data, None),
            }
            for kind, data in vars(textures).items()
        ]
        document["textures"] = [{"source": index, "sampler": 0} for index in range(3)]
        document["samplers"] = [
            {
                "magFilter": LINEAR,
                "minFilter": LINEAR_MIPMAP_LINEAR,
                "wrapS": CLAMP_TO_EDGE,
                "wrapT": CLAMP_TO_EDGE,
            }
        ]
    document["buffers"] = [{"byteLength": len(builder.binary)}]
    return _container(document, bytes(builder.binary))


def write_glb(
    path: Path,
    mesh: GltfMesh,
    textures: GltfTextures | None,
    name: str,
    generator: str,
    extras: dict[str, Any],
) -> None:
    """`glb_bytes`, written whole or not at all. Raises UserError when the disk refuses."""
    write_whole(path, glb_bytes(mesh, textures, name, generator, extras))


def _material(name: str, textures: GltfTextures | None) -> dict[str, Any]:
    """Metallic-roughness; without textures a matt white that vertex colours tint."""
    if textures is None:
        factors = {"metallicFactor": 0.0, "roughnessFactor": 0.6}
        return {"name": name, "pbrMetallicRoughness": factors}
    return {
        "name": name,
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": 0},
            "metallicRoughnessTexture": {"index": 2},
        },
        "normalTexture": {"index": 1},
        "occlusionTexture": {"index": 2},
    }


def _container(document: dict[str, Any], binary: bytes) -> bytes:
    """A JSON chunk padded with spaces and a binary chunk padded with zeros."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
    chunks += struct.pack("<II", len(binary), BINARY_CHUNK) + binary
    return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks


def read_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON document and the binary chunk of a GLB that `write_glb` wrote.

    Raises ValueError when the container is not one.
    """
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<III", data)
    if magic != MAGIC or version != 2 or length != len(data):
        raise ValueError(f"{path} is not a whole binary glTF 2.0 file")
    text_length, kind = struct.unpack_from("<II", data, 12)
    if kind != JSON_CHUNK:
        raise ValueError(f"{path} does not start with its JSON chunk")
    document = json.loads(data[20 : 20 + text_length])
    return document, data[20 + text_length + 8 :]


def read_accessor(document: dict[str, Any], binary: bytes, index: int) -> np.ndarray:
    """An accessor's values, (count,) for scalars and (count, 2..4) for vectors."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    types = {UNSIGNED_SHORT: "<u2", UNSIGNED_INT: "<u4", FLOAT: "<f4"}
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    values = np.frombuffer(
        binary,
        dtype=types[accessor["componentType"]],
        count=accessor["count"] * width,
        offset=view["byteOffset"],
    )
    return values if width == 1 else values.reshape(-1, width)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the binary glTF files that the worker writes, with the standard library alone.

Blender's own importer would change the selection and leave edit mode, which a timer must never
do to an artist at work; it is also slower than a preview a second allows. Only what the worker
writes is understood: one mesh of triangles, tightly packed, with its morph targets and maps.
"""

import json
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC, JSON_CHUNK = 0x46546C67, 0x4E4F534A
# glTF's component types that the worker uses, as codes of the module `array`.
COMPONENTS = {5123: "H", 5125: "I", 5126: "f"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class UnreadableFile(Exception):
    """The file is no head; the text says why, for the person."""


@dataclass(frozen=True)
class MapFile:
    """An image as it lies in the file."""

    name: str
    data: bytes
    suffix: str  # ".png" or ".jpg"


@dataclass(frozen=True)
class HeadFile:
    """A head as the file has it: metres, Y up, +Z out of the face; values lie flat in arrays."""

    name: str
    positions: array  # x, y, z of each vertex
    triangles: array  # three vertices of each face
    normals: array | None  # x, y, z
    uv: array | None  # u and v, v downwards
    colours: array | None  # red, green, blue of each vertex, linear
    targets: dict[str, array]  # expression -> what it adds to `positions`
    maps: dict[str, MapFile]  # "albedo", "normal", "orm"; empty for a preview
    about: dict[str, Any]  # what the worker noted: licence, seed, time


def read_head(path: Path) -> HeadFile:
    """Read a head or a preview.

    Raises:
        UnreadableFile: there is no such file, it is damaged, or no worker wrote it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableFile(f"There is no file {path}.") from error
    except OSError as error:
        raise UnreadableFile(f"{path.name} can't be read: {error.strerror}.") from error
    try:
        document, binary = _chunks(data)
        return _head(document, binary)
    except (ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise UnreadableFile(
            f"{path.name} is damaged or not from ID-to-3D. Choose the head.glb of a finished "
            "job, or open other files by File > Import > glTF 2.0."
        ) from error


def _chunks(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The document and the binary chunk of a container (glTF 2.0, chapter 4.4)."""
    magic, version, length = struct.unpack_from("<III", data)
    if magic != MAGIC or version != 2 or length != len(data):
        raise ValueError("not a whole binary glTF 2.0 file")
    text_length, kind = struct.unpack_from("<II", data, 12)
    if kind != JSON_CHUNK:
        raise ValueError("the document does not come first")
    document = json.loads(data[20 : 20 + text_length])
    return document, memoryview(data)[20 + text_length + 8 :]


def _head(document: dict[str, Any], binary: memoryview) -> HeadFile:
    (mesh,) = document["meshes"]
    (primitive,) = mesh["primitives"]
    attributes = primitive["attributes"]

    def optional(name: str) -> array | None:
        return _values(document, binary, attributes[name]) if name in attributes else None

    names = mesh.get("extras", {}).get("targetNames", [])
    offsets = [target["POSITION"] for target in primitive.get("targets", [])]
    positions = _values(document, binary, attributes["POSITION"])
    triangles = _values(document, binary, primitive["indices"])
    if len(triangles) % 3 or max(triangles) >= len(positions) // 3:
        raise ValueError("faces name vertices that are not there")
    return HeadFile(
        name=mesh["name"],
        positions=positions,
        triangles=triangles,
        normals=optional("NORMAL"),
        uv=optional("TEXCOORD_0"),
        colours=optional("COLOR_0"),
        targets={
            name: _values(document, binary, offset)
            for name, offset in zip(names, offsets, strict=True)
        },
        maps=_maps(document, binary),
        about=document["asset"].get("extras", {}),
    )


def _values(document: dict[str, Any], binary: memoryview, index: int) -> array:
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    if "sparse" in accessor or "byteStride" in view:
        raise ValueError("values are not tightly packed")
    values = array(COMPONENTS[accessor["componentType"]])
    start = view["byteOffset"] + accessor.get("byteOffset", 0)
    size = accessor["count"] * WIDTHS[accessor["type"]] * values.itemsize
    if start + size > len(binary):
        raise ValueError("the file ends too early")
    values.frombytes(binary[start : start + size])
    return values


def _maps(document: dict[str, Any], binary: memoryview) -> dict[str, MapFile]:
    material = document["materials"][0]
    surface = material["pbrMetallicRoughness"]
    if "baseColorTexture" not in surface:
        return {}
    textures = {
        "albedo": surface["baseColorTexture"],
        "normal": material["normalTexture"],
        "orm": surface["metallicRoughnessTexture"],
    }
    return {kind: _map(document, binary, texture["index"]) for kind, texture in textures.items()}


def _map(document: dict[str, Any], binary: memoryview, texture: int) -> MapFile:
    image = document["images"][document["textures"][texture]["source"]]
    view = document["bufferViews"][image["bufferView"]]
    data = bytes(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])
    suffix = {"image/png": ".png", "image/jpeg": ".jpg"}[image["mimeType"]]
    return MapFile(image["name"], data, suffix)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Small heads as glTF files and small pictures, in plain standard library."""

import json
import struct
import zlib
from math import cos, pi, sin
from pathlib import Path
from typing import Any

RINGS, SEGMENTS = 8, 12


def write_picture(path: Path, colour: tuple[int, int, int] = (200, 160, 140)) -> None:
    """A PNG of 16 by 16 pixels."""
    path.write_bytes(png(colour))


def png(colour: tuple[int, int, int], size: int = 16) -> bytes:
    """The bytes of a plain PNG."""
    rows = (b"\0" + bytes(colour) * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def write_preview(path: Path, name: str, radius: float = 0.1) -> None:
    """A head in the making: vertex colours, no maps."""
    _write(path, name, radius, (), maps=False)


def write_head(path: Path, name: str, expressions: tuple[str, ...]) -> None:
    """A finished head: maps, one morph target an expression."""
    _write(path, name, 0.1, expressions, maps=True)


def _write(path: Path, name: str, radius: float, expressions: tuple[str, ...], maps: bool) -> None:
    binary, views, accessors = bytearray(), list[dict[str, int]](), list[dict[str, Any]]()

    def view(data: bytes) -> int:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        binary.extend(data + b"\0" * (-len(data) % 4))
        return len(views) - 1

    def values(rows: list[tuple[float, ...]], code: str, kind: str, component: int) -> int:
        flat = [value for row in rows for value in row]
        accessor = {"bufferView": view(struct.pack(f"<{len(flat)}{code}", *flat))}
        accessors.append({**accessor, "componentType": component, "count": len(rows), "type": kind})
        if kind == "VEC3" and code == "f":
            columns = list(zip(*rows, strict=True))
            accessors[-1] |= {"min": [min(c) for c in columns], "max": [max(c) for c in columns]}
        return len(accessors) - 1

    positions, uv, faces = _ball(radius)
    attributes = {
        "POSITION": values(positions, "f", "VEC3", 5126),
        "NORMAL": values([tuple(v / radius for v in p) for p in positions], "f", "VEC3", 5126),
    }
    if maps:
        attributes["TEXCOORD_0"] = values(uv, "f", "VEC2", 5126)
    else:
        attributes["COLOR_0"] = values([(0.5, 0.4, 0.3)] * len(positions), "f", "VEC3", 5126)
    indices = values([(index,) for face in faces for index in face], "I", "SCALAR", 5125)
    targets = []
    for number, _ in enumerate(expressions, start=1):
        offsets = [(0.0, 0.01 * number * (p[1] > 0), 0.0) for p in positions]
        targets.append({"POSITION": values(offsets, "f", "VEC3", 5126)})
    surface: dict[str, Any] = {"metallicFactor": 0.0}
    material: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
    document: dict[str, Any] = {}
    if maps:
        colours = {"albedo": (200, 160, 140), "normal": (128, 128, 255), "orm": (255, 128, 0)}
        document["images"] = [
            {"name": kind, "mimeType": "image/png", "bufferView": view(png(colour))}
            for kind, colour in colours.items()
        ]
        document["textures"] = [{"source": index} for index in range(3)]
        surface |= {"baseColorTexture": {"index": 0}, "metallicRoughnessTexture": {"index": 2}}
        material |= {"normalTexture": {"index": 1}}
    primitive: dict[str, Any] = {"attributes": attributes, "indices": indices, "material": 0}
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if targets:
        primitive["targets"] = targets
        mesh |= {"weights": [0.0] * len(targets), "extras": {"targetNames": list(expressions)}}
    document |= {
        "asset": {"version": "2.0", "extras": {"seed": 0}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [mesh],
        "materials": [material],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(binary), 0x004E4942) + bytes(binary)
    path.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)


def _ball(
    radius: float,
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]], list[tuple[int, ...]]]:
    """Vertices, texture coordinates and triangles of a ball; a seam of doubled vertices."""
    positions, uv, faces = [], [], []
    for ring in range(RINGS + 1):
        for segment in range(SEGMENTS + 1):
            # The last column is in the very place of the first, all of a pole in one.
            high, around = pi * ring / RINGS, 2 * pi * (segment % SEGMENTS) / SEGMENTS
            across = radius * sin(high) if 0 < ring < RINGS else 0.0
            place = (across * sin(around), radius * cos(high), across * cos(around))
            positions.append(tuple(value + 0.0 for value in place))  # no -0.0 beside a 0.0
            uv.append((segment / SEGMENTS, ring / RINGS))
    for ring in range(RINGS):
        for segment in range(SEGMENTS):
            a = ring * (SEGMENTS + 1) + segment
            b = a + SEGMENTS + 1
            if ring > 0:
                faces.append((a, b, a + 1))
            if ring < RINGS - 1:
                faces.append((a + 1, b, b + 1))
    return positions, uv, faces

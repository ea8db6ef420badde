# SPDX-License-Identifier: GPL-3.0-or-later
"""head.blend, made and opened again by a real Blender (the bpy wheel in .venv-blender)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idto3d.asset.build import HeadModel, write_asset

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "backend" / "idto3d" / "asset" / "blend.py"
INSPECT = """
import json, os, sys
import bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
head = next(item for item in bpy.data.objects if item.type == "MESH")
points = [vertex.co for vertex in head.data.vertices]
shader = next(n for n in head.data.materials[0].node_tree.nodes if n.type == "BSDF_PRINCIPLED")
camera = bpy.context.scene.camera
json.dump({
    "name": head.name,
    "keys": [(key.name, key.value) for key in head.data.shape_keys.key_blocks],
    "vertices": len(points),
    "faces": len(head.data.polygons),
    "low": [min(point[axis] for point in points) for axis in range(3)],
    "high": [max(point[axis] for point in points) for axis in range(3)],
    "linked": sorted(item.name for item in shader.inputs if item.is_linked),
    "subsurface": shader.inputs["Subsurface Weight"].default_value,
    "packed": [image.packed_file is not None for image in bpy.data.images],
    "world": [node.type for node in bpy.context.scene.world.node_tree.nodes],
    "camera": list(camera.location),
}, open(sys.argv[2], "w"))
os._exit(0)
"""


def _blender_python() -> Path:
    folder = ROOT / ".venv-blender"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        pytest.skip("no Python with bpy: make blender")
    return python


def _run(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(home)}
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=120, env=environment, check=False
    )


def test_blend_file(tmp_path: Path, head_model: HeadModel) -> None:
    python = str(_blender_python())
    write_asset(tmp_path, head_model, "Ada Lovelace", "test", {})
    blend = tmp_path / "head.blend"
    made = _run([python, "-I", str(SCRIPT), str(tmp_path / "head.glb"), str(blend)], tmp_path)
    assert made.returncode == 0, made.stderr
    report = tmp_path / "report.json"
    read = _run([python, "-I", "-c", INSPECT, str(blend), str(report)], tmp_path)
    assert read.returncode == 0, read.stderr
    scene = json.loads(report.read_text())
    assert scene["name"] == "Ada Lovelace"
    assert scene["keys"] == [["Basis", 0.0], ["smile", 0.0], ["jaw_open", 0.0]]
    assert scene["faces"] == len(head_model.faces)
    assert scene["vertices"] < len(head_model.uv)  # the atlas' seams are welded
    assert scene["low"][2] == pytest.approx(0, abs=1e-5)
    assert -scene["low"][1] > scene["high"][1]  # the nose points to -Y
    assert scene["camera"][1] < scene["low"][1]
    assert {"Base Color", "Metallic", "Normal", "Roughness"} <= set(scene["linked"])
    assert scene["subsurface"] > 0
    assert scene["packed"] and all(scene["packed"])
    assert "TEX_ENVIRONMENT" in scene["world"]


def test_a_broken_glb_is_an_error(tmp_path: Path) -> None:
    python = str(_blender_python())
    (tmp_path / "head.glb").write_bytes(b"glTF but not really")
    blend = tmp_path / "head.blend"
    made = _run([python, "-I", str(SCRIPT), str(tmp_path / "head.glb"), str(blend)], tmp_path)
    assert made.returncode == 1
    assert not blend.exists()

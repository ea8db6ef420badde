# SPDX-License-Identifier: GPL-3.0-or-later
"""The glTF writer: read back, and judged by the Khronos validator where node is at hand."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idto3d.asset.build import HeadModel, write_asset
from idto3d.asset.gltf import GltfMesh, GltfTextures, glb_bytes, read_accessor, read_glb
from idto3d.asset.mesh import neck_base, to_metres
from idto3d.asset.preview import write_preview
from idto3d.settings import HEAD_METRES

NODE_FOLDER = Path(__file__).parents[2] / "node"
EXTRAS = {"provenance": {"seed": 7, "prior": "compact"}}


@pytest.fixture(scope="module")
def glb(head_model: HeadModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asset")
    write_asset(folder, head_model, "Ada", "ID-to-3D for Blender 0.1.0", EXTRAS)
    return folder / "head.glb"


def _issues(path: Path) -> dict:
    """The validator's report; skips the test where it can't be run."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (NODE_FOLDER / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("gltf-validator is not there: npm install --prefix tests/node")
    run = subprocess.run(
        [node, str(NODE_FOLDER / "validate.mjs"), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(run.stdout)


def test_names_header_and_weights(glb: Path) -> None:
    document, _ = read_glb(glb)
    mesh = document["meshes"][0]
    assert mesh["extras"]["targetNames"] == ["smile", "jaw_open"]
    assert mesh["weights"] == [0.0, 0.0]
    assert document["nodes"][0]["name"] == mesh["name"] == "Ada"
    assert document["asset"]["extras"] == EXTRAS
    assert document["asset"]["version"] == "2.0"


def test_geometry_comes_back(glb: Path, head_model: HeadModel) -> None:
    document, binary = read_glb(glb)
    primitive = document["meshes"][0]["primitives"][0]
    attributes = {
        name: read_accessor(document, binary, index)
        for name, index in primitive["attributes"].items()
    }
    indices = read_accessor(document, binary, primitive["indices"])
    assert np.array_equal(indices.reshape(-1, 3), head_model.faces)
    assert np.array_equal(attributes["TEXCOORD_0"], head_model.uv)
    assert np.array_equal(attributes["TANGENT"], head_model.tangents)
    assert np.array_equal(attributes["NORMAL"], head_model.normals[0])
    for index, target in enumerate(primitive["targets"], start=1):
        posed = attributes["POSITION"] + read_accessor(document, binary, target["POSITION"])
        wanted = to_metres(head_model.positions[index], neck_base(head_model.positions[0]))
        assert np.abs(posed - wanted).max() < 1e-6
        normals = attributes["NORMAL"] + read_accessor(document, binary, target["NORMAL"])
        assert np.abs(normals - head_model.normals[index]).max() < 1e-6


def test_is_metric_and_stands_on_the_origin_facing_z(glb: Path) -> None:
    document, binary = read_glb(glb)
    primitive = document["meshes"][0]["primitives"][0]
    accessor = document["accessors"][primitive["attributes"]["POSITION"]]
    low, high = np.array(accessor["min"]), np.array(accessor["max"])
    assert low[1] == pytest.approx(0, abs=1e-6)
    assert high[1] == pytest.approx(0.84 * HEAD_METRES, rel=0.02)
    assert low[0] == pytest.approx(-high[0], abs=2e-3)
    assert high[2] > -low[2]  # the nose is in front


def test_textures_are_the_maps(glb: Path, head_model: HeadModel) -> None:
    document, binary = read_glb(glb)
    material = document["materials"][0]
    shader = material["pbrMetallicRoughness"]
    slots = {
        "albedo": shader["baseColorTexture"],
        "normal": material["normalTexture"],
        "orm": shader["metallicRoughnessTexture"],
    }
    assert material["occlusionTexture"] == slots["orm"]
    for kind, slot in slots.items():
        image = document["images"][document["textures"][slot["index"]]["source"]]
        view = document["bufferViews"][image["bufferView"]]
        data = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), vars(head_model.maps)[kind])
        assert (glb.parent / "maps" / f"{kind}.png").read_bytes() == data


def test_the_validator_finds_nothing(glb: Path) -> None:
    issues = _issues(glb)
    assert issues["numErrors"] == 0 and issues["numWarnings"] == 0, issues["messages"]


def test_the_validator_finds_nothing_in_a_preview(tmp_path: Path, head_model: HeadModel) -> None:
    positions = torch.from_numpy(head_model.positions[0])
    path = tmp_path / "preview.glb"
    write_preview(path, positions, torch.from_numpy(head_model.faces), positions + 0.5, "Ada")
    issues = _issues(path)
    assert issues["numErrors"] == 0 and issues["numWarnings"] == 0, issues["messages"]


def test_the_validator_sees_a_truncated_file(tmp_path: Path, glb: Path) -> None:
    """That zero errors mean something."""
    broken = tmp_path / "broken.glb"
    broken.write_bytes(glb.read_bytes()[:-1000])
    assert _issues(broken)["numErrors"] > 0
    with pytest.raises(ValueError, match="not a whole"):
        read_glb(broken)


def test_preview_colours_are_linear(tmp_path: Path) -> None:
    vertices = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    albedo = torch.tensor([0.0, 0.5, 1.0]).expand(4, 3)
    write_preview(tmp_path / "p.glb", vertices, faces, albedo, "Ada")
    document, binary = read_glb(tmp_path / "p.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    colours = read_accessor(document, binary, attributes["COLOR_0"])
    assert colours[0] == pytest.approx([0, 0.21404, 1.0], abs=1e-4)
    write_preview(tmp_path / "p.glb", vertices, faces, None, "Ada")
    document, _ = read_glb(tmp_path / "p.glb")
    assert "COLOR_0" not in document["meshes"][0]["primitives"][0]["attributes"]


@pytest.mark.parametrize(("vertices", "component"), [(65535, 5123), (65536, 5125)])
def test_indices_take_the_smallest_type(tmp_path: Path, vertices: int, component: int) -> None:
    positions = np.zeros((vertices, 3), dtype=np.float32)
    faces = np.array([[0, 1, vertices - 1]])
    mesh = GltfMesh(positions, np.full_like(positions, 3**-0.5), faces)
    path = tmp_path / "big.glb"
    path.write_bytes(glb_bytes(mesh, None, "big", "test", {}))
    document, binary = read_glb(path)
    index = document["meshes"][0]["primitives"][0]["indices"]
    assert document["accessors"][index]["componentType"] == component
    assert read_accessor(document, binary, index).tolist() == [0, 1, vertices - 1]


def test_textures_need_uv() -> None:
    positions = np.zeros((3, 3), dtype=np.float32)
    mesh = GltfMesh(positions, positions, np.array([[0, 1, 2]]))
    with pytest.raises(ValueError, match="uv"):
        glb_bytes(mesh, GltfTextures(b"", b"", b""), "x", "test", {})

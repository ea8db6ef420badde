# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest keeps the platform's rules, and the add-on works in a real Blender."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from idto3d import __version__

ROOT = Path(__file__).resolve().parents[2]
BLENDER_PYTHON = ROOT / ".venv-blender" / "bin" / "python"
BUILDERS = ".venv-blender/lib/python3*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli"

needs_blender = pytest.mark.skipif(
    not (ROOT / ".venv-blender" / ".installed").exists(),
    reason="needs Blender's Python module (make blender)",
)


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))


def builder(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Blender's own extension tool."""
    (folder,) = ROOT.glob(BUILDERS)
    command = [str(BLENDER_PYTHON), str(folder / "blender_ext.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "idto3d.zip"
    answer = builder("build", "--source-dir", str(ROOT), "--output-filepath", str(path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return path


def test_required_fields(manifest: dict[str, Any]) -> None:
    required = {
        *("schema_version", "id", "version", "name", "tagline", "maintainer", "type"),
        *("blender_version_min", "license"),
    }
    assert required <= set(manifest)
    assert manifest["id"].isidentifier() and "__" not in manifest["id"]
    assert "blender" not in manifest["name"].lower()
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]


def test_version_is_the_packages(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert manifest["version"] == project["version"] == __version__


def test_short_texts(manifest: dict[str, Any]) -> None:
    for text in (manifest["tagline"], *manifest["permissions"].values()):
        assert len(text) <= 64 and re.search(r"[\w\])]$", text)


def test_addon_imports_bpy_and_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "bpy", "bpy_extras", "mathutils"}
    files = [ROOT / "__init__.py", *(ROOT / "addon").rglob("*.py")]
    assert len(files) >= 4
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= allowed, file


@needs_blender
def test_blender_validates_folder_and_zip(package: Path) -> None:
    for path in (ROOT, package):
        answer = builder("validate", str(path))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "warning" not in (answer.stdout + answer.stderr).lower()


@needs_blender
def test_zip_holds_the_program_and_nothing_else(package: Path) -> None:
    import zipfile

    names = zipfile.ZipFile(package).namelist()
    top = {name.split("/")[0] for name in names}
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "addon", "backend", "assets"} <= top
    assert not top & {"tests", "docs", "benchmarks", "out", "Makefile", "data", "work"}
    assert "backend/idto3d/job/protocol.py" in names
    hidden = [name for name in names if any(part.startswith(".") for part in name.split("/"))]
    assert not hidden and not [name for name in names if "__pycache__" in name]


@pytest.fixture(scope="module")
def report(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `inside_blender.py` found."""
    folder = tmp_path_factory.mktemp("blender")
    script = Path(__file__).with_name("inside_blender.py")
    answer = subprocess.run(
        [str(BLENDER_PYTHON), "-I", str(script), str(package), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = [line for line in answer.stdout.splitlines() if line.startswith("REPORT ")]
    found: dict[str, Any] = json.loads(lines[0].removeprefix("REPORT "))
    return found


@needs_blender
def test_switched_on_off_and_on(report: dict[str, Any]) -> None:
    assert report["enabled"] and report["enabled again"]
    assert report["left over"] == []
    assert report["foreign modules"] == []


@needs_blender
def test_panel_says_how_to_get_a_head(report: dict[str, Any]) -> None:
    panel = report["panel"]
    assert panel["operators"] == ["idto3d.import_head"]
    assert "idto3d generate PHOTOS --output FOLDER" in panel["texts"]
    with_backend = report["panel with backend"]["texts"]
    assert any("python" in text and "-m idto3d.cli generate" in text for text in with_backend)


@needs_blender
def test_head_comes_in_at_rest_and_in_its_collection(report: dict[str, Any]) -> None:
    head = report["head"]
    assert head["result"] == ["FINISHED"]
    assert head["objects"] == {
        "Ada": {
            "collections": ["Ada"],
            "keys": {"smile": 0.0, "jaw_open": 0.0},
            "materials": ["skin"],
        }
    }
    assert report["collections"] == ["Ada"]


@needs_blender
@pytest.mark.parametrize(
    ("kind", "words"),
    [("damaged", "is damaged"), ("absent", "There is no file"), ("empty", "holds no mesh")],
)
def test_what_is_no_head_leaves_nothing(report: dict[str, Any], kind: str, words: str) -> None:
    assert words in report[kind]["error"]
    assert report[kind]["objects"] == []

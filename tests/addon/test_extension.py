# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest keeps the platform's rules, and the add-on works in a real Blender."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idto3d import __version__
from tests.addon.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
Builder = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))


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


def test_blender_validates_folder_and_zip(package: Path, builder: Builder) -> None:
    for path in (ROOT, package):
        answer = builder("validate", str(path))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "warning" not in (answer.stdout + answer.stderr).lower()


def test_zip_holds_the_program_and_nothing_else(package: Path) -> None:
    import zipfile

    names = zipfile.ZipFile(package).namelist()
    # constraints.txt and pyproject.toml tell the set-up which packages the backend needs.
    assert {name.split("/")[0] for name in names} == {
        *("__init__.py", "blender_manifest.toml", "LICENSE", "README.md"),
        *("pyproject.toml", "constraints.txt", "addon", "backend", "assets"),
    }
    sources = (ROOT / "backend" / "idto3d").rglob("*.py")
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= set(names)
    assert {name.split("/")[1] for name in names if name.startswith("assets/")} == {
        *("README.md", "expressions.json", "prior", "template"),
        *("landmarks.safetensors", "intrinsic_images.safetensors"),
    }
    allowed = {".py", ".toml", ".md", ".txt", ".json", ".safetensors", ".npz", ""}
    assert {Path(name).suffix for name in names} <= allowed
    hidden = [name for name in names if any(part.startswith(".") for part in name.split("/"))]
    assert not hidden and not [name for name in names if "__pycache__" in name]


@pytest.fixture(scope="module")
def found(in_blender: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `drive_extension.py` found."""
    return in_blender("drive_extension.py", tmp_path_factory.mktemp("blender"))


def test_switched_on_off_and_on(found: dict[str, Any]) -> None:
    assert found["enabled"] and found["enabled again"] and found["same again"]
    assert len(found["registered"]["classes"]) > 30
    assert all(names == [] for names in found["left over"].values()), found["left over"]


def test_no_foreign_modules_and_nothing_written_beside_the_program(found: dict[str, Any]) -> None:
    assert found["foreign modules"] == [] and found["paths"] == []
    assert found["written into itself"] == []


def test_everything_has_a_tooltip(found: dict[str, Any]) -> None:
    assert found["without words"] == []


def test_whatever_changes_the_scene_can_be_undone(found: dict[str, Any]) -> None:
    files_and_workers = (
        *("job_cancel", "job_keep", "job_resume", "job_delete", "job_log", "measure"),
        *("export_head", "render_turntable", "photos_check"),
    )
    words_and_pages = ("help", "photo_findings", "history_page", "preferences_show", "look_at_head")
    preferences = [name for name in found["registered"]["operators"] if name.startswith("setup_")]
    doctor = ("doctor", "doctor_copy")
    nothing_to_undo = {*files_and_workers, *words_and_pages, *preferences, *doctor}
    assert set(found["without undo"]) == nothing_to_undo


def test_preferences_page(found: dict[str, Any]) -> None:
    assert {"jobs_folder", "images"} <= set(found["page"]["properties"])


def test_a_head_comes_in_by_the_file_menu(found: dict[str, Any]) -> None:
    assert found["import"] == "FINISHED" and found["objects"] == ["Ada"]
    assert found["registered"]["menu lines"] == ["bl_ext.user_default.idto3d.addon.scene.head"]

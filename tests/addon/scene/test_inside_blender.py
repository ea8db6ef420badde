# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks in inside_*.py, each file in a Blender of its own, each check a test."""

import ast
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.addon import blender

HERE = Path(__file__).parent
VALIDATOR = blender.ROOT / "tests" / "node" / "validate.mjs"

pytestmark = pytest.mark.skipif(not blender.PYTHON.exists(), reason=blender.MISSING)


@dataclass(frozen=True)
class Outcome:
    """What became of the checks of a file."""

    raised: dict[str, str]  # check -> traceback, "" where there is none
    folder: Path  # with a folder for each check


def checks() -> list[tuple[str, str]]:
    """Every check of every file, found without running it."""
    found = []
    for path in sorted(HERE.glob("inside_*.py")):
        for item in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.FunctionDef) and item.name.startswith("check_"):
                found.append((path.name, item.name))
    return found


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcome]:
    """The outcome of a file, which is run when it is asked for the first time."""
    known: dict[str, Outcome] = {}

    def run(file: str) -> Outcome:
        if file not in known:
            folder = tmp_path_factory.mktemp("blender")
            command = [str(blender.PYTHON), "-I", str(HERE / "inside.py"), str(HERE / file)]
            answer = subprocess.run(
                [*command, str(folder)], capture_output=True, text=True, check=False, timeout=300
            )
            lines = [line for line in answer.stdout.splitlines() if line.startswith("REPORT ")]
            assert lines, answer.stdout + answer.stderr
            known[file] = Outcome(json.loads(lines[0].removeprefix("REPORT ")), folder)
        return known[file]

    return run


@pytest.mark.parametrize(("file", "check"), checks())
def test_in_blender(outcome: Callable[[str], Outcome], file: str, check: str) -> None:
    raised = outcome(file).raised[check]
    assert not raised, raised


@pytest.mark.skipif(
    shutil.which("node") is None or not (VALIDATOR.parent / "node_modules").exists(),
    reason="needs Khronos' validator (npm)",
)
@pytest.mark.parametrize("check", ["check_plain_gltf", "check_godot", "check_arkit_names"])
def test_exported_gltf_is_valid(outcome: Callable[[str], Outcome], check: str) -> None:
    path = outcome("inside_export.py").folder / check / "Ada.glb"
    answer = subprocess.run(
        ["node", VALIDATOR.name, str(path)],
        cwd=VALIDATOR.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    issues = json.loads(answer.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]

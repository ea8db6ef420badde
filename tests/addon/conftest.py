# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's zip, built once, and scripts that run in Blender's Python with it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.addon import blender

Run = Callable[..., dict[str, Any]]


def _builder(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(blender.PYTHON), str(blender.builder()), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def builder() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Blender's own extension tool."""
    if not blender.PYTHON.exists():
        pytest.skip(blender.MISSING)
    return _builder


@pytest.fixture(scope="session")
def package(
    builder: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The zip that a person would install."""
    path = tmp_path_factory.mktemp("package") / "idto3d.zip"
    answer = builder("build", "--source-dir", str(blender.ROOT), "--output-filepath", str(path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return path


@pytest.fixture(scope="session")
def in_blender(package: Path) -> Run:
    """Runs a script of this folder in Blender's Python; returns the JSON after `REPORT `.

    The script gets the zip and the other words, and may be expected to be killed.
    """

    def run(script: str, *words: Path | str, killed: bool = False) -> dict[str, Any]:
        path = Path(__file__).with_name(script)
        answer = subprocess.run(
            [str(blender.PYTHON), "-I", str(path), str(package), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if killed:
            assert answer.returncode == -9, answer.stdout + answer.stderr
            return {}
        assert answer.returncode == 0, answer.stdout + answer.stderr
        lines = [line for line in answer.stdout.splitlines() if line.startswith("REPORT ")]
        found: dict[str, Any] = json.loads(lines[0].removeprefix("REPORT "))
        return found

    return run

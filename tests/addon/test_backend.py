# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on with the real backend: a head of few steps, from the button to the scene."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.addon import blender
from tests.addon.conftest import Run
from tests.backend.tiny_job import TINY


@pytest.fixture(scope="module")
def found(in_blender: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # As the add-on starts it: no variable leads to the sources.
    look = [sys.executable, "-I", "-c", "import idto3d"]
    if subprocess.run(look, capture_output=True, check=False).returncode:
        pytest.skip("needs idto3d installed in this Python (make setup)")
    photos = sorted((blender.ROOT / "assets" / "example").glob("*.jpg"))[:2]
    folder = tmp_path_factory.mktemp("backend")
    return in_blender("drive_backend.py", folder, Path(sys.executable), json.dumps(TINY), *photos)


def test_photos_are_judged_and_the_forecast_is_honest(found: dict[str, Any]) -> None:
    assert set(found["verdicts"]) <= {"USABLE", "WARNING"} and len(found["verdicts"]) == 2
    # No job has ended in this folder, and nobody has measured.
    assert found["forecast"]["basis"] == "unknown" and found["forecast"]["seconds"] is None
    assert "idto3d.measure" in found["panel"]["operators"]


def test_head_is_in_the_scene(found: dict[str, Any]) -> None:
    assert found["generate"] == "FINISHED" and found["phase"] == "done", found["why"]
    assert list(found["heads"]) == ["Ada"], found["why"]
    head = found["heads"]["Ada"]
    assert head["keys"] == ["Basis", "smile", "jaw_open", "surprise"]
    assert head["vertices"] > 500 and head["materials"] == 1 and head["collections"] == ["Ada"]
    # Metres, upright, the neck's base at the origin, the face towards -Y.
    assert abs(head["low"]) < 0.03 and 0.2 < head["high"] < 0.45
    assert -0.25 < head["front"] < 0.0 < head["back"] < 0.25


def test_worker_that_was_killed_is_noticed_and_goes_on(found: dict[str, Any]) -> None:
    assert found["stage when killed"] == "texture"
    assert found["killed"][0] == "dead" and found["objects when killed"] == []
    assert found["resume"] == "FINISHED"


def test_preview_was_shown(found: dict[str, Any]) -> None:
    assert len(found["previews"]) == 1

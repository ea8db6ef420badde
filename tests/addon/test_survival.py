# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender that is killed at work leaves a job that goes on and a file that finds it again."""

import sys
from pathlib import Path

import pytest

from tests.addon.conftest import Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the mock is a shell script")


# Seconds after the file was saved: before the worker speaks, and while it shows previews.
@pytest.mark.parametrize("moment", ["0.0", "0.6"])
def test_blender_that_is_killed_loses_nothing(in_blender: Run, tmp_path: Path, moment: str) -> None:
    in_blender("survive.py", tmp_path, "start", moment, killed=True)
    found = in_blender("survive.py", tmp_path, "again")
    assert found["phase"] == "done" and found["objects"] == ["Ada"]
    assert found["left in the folder"] == [] and found["workers"] == 0

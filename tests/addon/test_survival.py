# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers and Blenders that are killed at random moments lose nothing and leave nothing behind.

IDTO3D_KILLS says how often each is killed; `make test-survival` asks for 20.
"""

import os
import random
import sys
from pathlib import Path

import pytest

from tests.addon.conftest import Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the mock is a shell script")

KILLS = int(os.environ.get("IDTO3D_KILLS", "2"))
# The mock works for a good second; then the head comes in.
MOMENTS = [f"{random.Random(number).uniform(0.0, 1.6):.2f}" for number in range(KILLS)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_blender_that_is_killed_loses_nothing(in_blender: Run, tmp_path: Path, moment: str) -> None:
    in_blender("survive.py", tmp_path, "start", moment, killed=True)
    found = in_blender("survive.py", tmp_path, "again")
    assert found["phase"] == "done" and found["objects"] == ["Ada"]
    assert found["left in the folder"] == [] and found["workers"] == 0


def test_worker_that_is_killed_loses_nothing(in_blender: Run, tmp_path: Path) -> None:
    jobs = in_blender("survive.py", tmp_path, "workers", *MOMENTS)["jobs"]
    assert len(jobs) == KILLS and "dead" in [job["phase"] for job in jobs]
    for job in jobs:
        assert job["phase"] in ("dead", "done"), job  # the latest of the moments are too late
        assert job["noticed after"] < 5.0 and job["half imported"] == [], job
        # The worker went on from its last checkpoint.
        assert set(job["steps done twice"].values()) <= {0}, job
        assert job["end"] == "done" and job["objects"] == ["Ada"], job
        assert job["left in the folder"] == [] and job["workers"] == 0, job

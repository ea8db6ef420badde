# SPDX-License-Identifier: GPL-3.0-or-later
"""Training on several processes: they share the work and end with the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.backend.training.toy_dataset import write_toy_dataset

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(sys.platform != "linux", reason="gloo over localhost, as CI has it")
def test_two_processes_share_the_steps_and_agree(tmp_path: Path) -> None:
    data = write_toy_dataset(tmp_path / "data", size=32)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "backend")]),
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    # What `accelerate launch` starts for several GPUs; for several CPUs it would want MPI.
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = ["-m", "tests.backend.training.launched", str(data), str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", *launch, *script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (load_file(tmp_path / "out" / f"end-{rank}.safetensors") for rank in (0, 1))
    assert first["counters"].tolist() == [4, 32, 2], "32 samples in batches of four, twice"
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=0)

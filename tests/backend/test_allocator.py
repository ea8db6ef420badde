# SPDX-License-Identifier: GPL-3.0-or-later
"""Freed memory stays with the process: taking it again costs no page faults."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from idto3d.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def work():
    blocks = [np.ones(1 << 20) for _ in range(8)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="glibc only")
def test_second_use_of_a_block_faults_no_pages() -> None:
    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") < 0.05 * faults("leave")

# SPDX-License-Identifier: GPL-3.0-or-later
"""How the C library keeps memory that was freed, for work that frees and takes the same again."""

import ctypes
import sys

# glibc's malloc.h: parameters of mallopt.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MIB = 1 << 20


def keep_freed_memory() -> bool:
    """Let blocks of up to 32 MiB stay with the process when they are freed; whether it could.

    A step of the optimisation takes and frees some hundred blocks of megabytes. By default glibc
    gives each back to the system, which then has to clear the same pages at the next step: about a
    tenth of a step's time. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_MMAP_THRESHOLD: 32 * _MIB, _TRIM_THRESHOLD: 512 * _MIB, _TOP_PAD: 16 * _MIB}
    return all([mallopt(name, value) == 1 for name, value in wanted.items()])

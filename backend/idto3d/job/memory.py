# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory this process took at most."""

import sys


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def peak_gpu_memory() -> int:
    """The most that torch held on the GPU so far, in bytes; 0 without torch or a GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    return int(torch.cuda.max_memory_reserved())

# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works on a job folder: a lock of process id and start time, which a dead owner can't keep.

A process id alone is not enough: after a crash or a restart of the computer another process may
have it. The pair of id and start time is never used twice.
"""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UserError

# A lock that can't be read and is younger than this is just being written.
SETTLE_SECONDS = 5.0


def process_start(pid: int) -> str | None:
    """When the process began, as text that is the same at each call; None = no such process.

    Linux: clock ticks since boot (field 22 of /proc/PID/stat) with the boot's own id. Windows:
    GetProcessTimes. Elsewhere: `ps -o lstart`, which is exact to a second.
    """
    if sys.platform == "linux":
        return _start_linux(pid)
    if sys.platform == "win32":
        return _start_windows(pid)
    return _start_ps(pid)


def _start_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets and may hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    if state in "ZX":
        # Dead, only not yet collected by its parent.
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{ticks}"


def _start_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return answer.stdout.strip() or None


def _start_windows(pid: int) -> str | None:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    query_limited_information, still_active = 0x1000, 259
    handle = ctypes.c_void_p(kernel.OpenProcess(query_limited_information, False, pid))
    if not handle:
        return None
    try:
        code = ctypes.c_uint32()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        created, ended, system, user = (ctypes.c_uint64() for _ in range(4))
        known = kernel.GetProcessTimes(
            handle,
            ctypes.byref(created),
            ctypes.byref(ended),
            ctypes.byref(system),
            ctypes.byref(user),
        )
        return str(created.value) if known and code.value == still_active else None
    finally:
        kernel.CloseHandle(handle)


def owner(lock: Path) -> int | None:
    """The id of the living process that holds the lock; None when nobody does.

    A lock whose owner has died counts as not held; it stays on disk until the next `held`.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    parsed = _parse(text)
    if parsed is None:
        return None
    pid, start = parsed
    return pid if process_start(pid) == start else None


def _parse(text: str) -> tuple[int, str] | None:
    try:
        values = json.loads(text)
        return int(values["pid"]), str(values["start"])
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold the lock of a job folder, which exists, for the length of a `with` block.

    Raises:
        UserError: another living process holds it.
    """
    content = json.dumps({"pid": os.getpid(), "start": process_start(os.getpid())})
    while not _create(lock, content):
        _clear_if_stale(lock)
    try:
        yield
    finally:
        if lock.exists() and lock.read_text(encoding="utf-8") == content:
            lock.unlink()


def _create(lock: Path, content: str) -> bool:
    try:
        file = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(content)
    return True


def _clear_if_stale(lock: Path) -> None:
    try:
        text, age = lock.read_text(encoding="utf-8"), time.time() - lock.stat().st_mtime
    except FileNotFoundError:
        return
    pid = owner(lock)
    if pid is not None:
        raise UserError(
            f"The job in {lock.parent} is being worked on by process {pid}. "
            "Wait for it, or stop it first."
        )
    if _parse(text) is None and age < SETTLE_SECONDS:
        time.sleep(0.1)
        return
    # Of several who find the same dead lock, rename lets exactly one have it. If it was replaced
    # by a living one in between, that one goes back.
    aside = lock.with_name(f"{lock.name}.{os.getpid()}")
    try:
        os.rename(lock, aside)
    except FileNotFoundError:
        return
    if aside.read_text(encoding="utf-8") == text:
        aside.unlink()
    else:
        os.replace(aside, lock)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Move an environment to another folder or disk, and remove it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import interpreter
from .layout import Layout, check_ours, locked
from .messages import Cancelled, SetupError, Voice


def move(root: Path, target: Path, voice: Voice) -> None:
    """Move the environment; at every moment one of the two folders is whole.

    Raises:
        SetupError: there is no environment, or the target can't take it.
        Cancelled: the person asked to stop; the environment is where it was.
    """
    check_ours(root)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SetupError(f"{target} exists and is not empty.", "Choose an empty or a new folder.")
    if target.resolve().is_relative_to(root.resolve()):
        raise SetupError("An environment can't be moved into itself.", "Choose another folder.")
    voice.status(f"Moving to {target}")
    # The log would be copied while it is written.
    voice.log_file = None
    with locked(root):
        pass  # nobody works on it; renaming needs the lock's file closed
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    try:
        os.rename(root, target)
    except OSError:
        _copy_then_remove(root, target, voice)
    _mend_scripts(Layout(target), root)


def _copy_then_remove(root: Path, target: Path, voice: Voice) -> None:
    partial = target.with_name(target.name + ".part")
    with locked(root):
        files = [path for path in _walk(root) if path != root / "lock"]
        total = sum(path.lstat().st_size for path in files) or 1
        free = shutil.disk_usage(target.parent).free
        if free < total:
            raise SetupError(
                f"The disk of {target} has {free / 1e9:.1f} GB free, the environment has "
                f"{total / 1e9:.1f}.",
                "Make room, or choose another folder.",
            )
        try:
            done = 0
            for path in files:
                voice.check()
                goal = partial / path.relative_to(root)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, goal, follow_symlinks=False)
                done += path.lstat().st_size
                voice.progress(done / total, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")
            if interpreter.ask(Layout(root).python) != interpreter.ask(Layout(partial).python):
                raise SetupError(
                    "The copied environment does not start.", "Choose a folder on another disk."
                )
        except (Cancelled, SetupError, OSError):
            shutil.rmtree(partial, ignore_errors=True)
            raise
        os.rename(partial, target)
    shutil.rmtree(root, ignore_errors=True)


def _walk(root: Path) -> Iterator[Path]:
    """All files and links below a folder; links to folders are not followed."""
    for folder, names, files in os.walk(root):
        for name in files:
            yield Path(folder) / name
        for name in names:
            path = Path(folder) / name
            if path.is_symlink():
                yield path


def _mend_scripts(layout: Layout, old: Path) -> None:
    """Scripts begin with the path of their Python; Windows' have none that could be mended."""
    before = f"#!{Layout(old).python.parent}".encode()
    after = f"#!{layout.python.parent}".encode()
    if not (layout.venv / "bin").is_dir():
        return
    for path in (layout.venv / "bin").iterdir():
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if content.startswith(before):
            path.write_bytes(after + content[len(before) :])


def remove(root: Path, voice: Voice) -> None:
    """Delete the environment and its folder.

    Raises:
        SetupError: there is none of ours, or a file can't be deleted.
    """
    check_ours(root)
    voice.status("Removing the environment")
    voice.log_file = None
    with locked(root):
        pass
    # The record goes last: what a break leaves is still known to be ours.
    try:
        for path in sorted(root.iterdir(), key=lambda item: item.name == "environment.json"):
            voice.check()
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        root.rmdir()
    except OSError as error:
        raise SetupError(
            f"{error.filename} can't be deleted ({error.strerror}).",
            "End the jobs that use the environment, then press Remove again.",
        ) from error

# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's folder: what lies where, and the record that says how far it is.

| in the folder | what |
| --- | --- |
| `environment.json` | the record: ours, what was asked for, finished or not |
| `python/` | the virtual environment |
| `wheels/` | downloaded packages, until they are installed |
| `plan.json` | the exact packages: what to go on with after a break, and what to repair |
| `setup.log` | all that was said |
| `lock` | held while the program works on the folder |
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .messages import SetupError

KIND = "idto3d environment"
VERSION = 1


@dataclass(frozen=True)
class Record:
    """What `environment.json` says."""

    complete: bool  # everything is installed and has been started once
    variant: str  # of torch: cpu, cuda, rocm or apple
    python: str  # the Python that the environment was made from
    key: str  # of the locked packages that it was made for
    torch: str = ""  # the version that is installed, with the build's tag


@dataclass(frozen=True)
class Layout:
    """The paths in an environment's folder."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / "python"

    @property
    def python(self) -> Path:
        """Its Python."""
        if sys.platform == "win32":
            return self.venv / "Scripts" / "python.exe"
        return self.venv / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        if sys.platform == "win32":
            return self.venv / "Lib" / "site-packages"
        found = sorted((self.venv / "lib").glob("python3*/site-packages"))
        return found[-1] if found else self.venv / "lib" / "site-packages"

    @property
    def wheels(self) -> Path:
        """Downloaded packages."""
        return self.root / "wheels"

    @property
    def plan(self) -> Path:
        """The exact packages that belong into the environment."""
        return self.root / "plan.json"

    @property
    def log(self) -> Path:
        """All that was said."""
        return self.root / "setup.log"

    @property
    def link(self) -> Path:
        """The file by which the environment's Python finds the add-on's backend."""
        return self.site_packages / "idto3d.pth"


def read_record(root: Path) -> Record | None:
    """The record of the environment in `root`; None when there is none that can be read."""
    try:
        values = json.loads((root / "environment.json").read_text(encoding="utf-8"))
        if values.pop("kind") != KIND or values.pop("version") != VERSION:
            return None
        return Record(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(root: Path, record: Record) -> None:
    """Replace the record; it is whole at every moment."""
    values: dict[str, Any] = {"kind": KIND, "version": VERSION, **asdict(record)}
    write_whole(root / "environment.json", json.dumps(values, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def link_backend(layout: Layout, sources: Path) -> None:
    """Let the environment's Python find the backend in `sources`, the add-on's folder.

    The backend is not copied: it is always the one that came with the add-on, so that the two
    agree after an update, too.
    """
    # A line of code rather than a path: its encoding would depend on the system's.
    text = f"import sys; sys.path.append({ascii(str(sources / 'backend'))})\n"
    with suppress(OSError, UnicodeDecodeError):
        if layout.link.read_text(encoding="utf-8") == text:
            return
    write_whole(layout.link, text)


def check_ours(root: Path) -> Record:
    """The record of an environment that may be changed.

    Raises:
        SetupError: the folder holds no environment of the add-on.
    """
    record = read_record(root)
    if record is None:
        raise SetupError(
            f"There is no environment of ID-to-3D in {root}.", "Choose its folder, or install one."
        )
    return record


def check_new(root: Path) -> None:
    """Refuse a folder with somebody else's files for a new environment.

    Raises:
        SetupError: the folder is a file, or holds other things than an environment of ours.
    """
    if root.exists() and not root.is_dir():
        raise SetupError(f"{root} is a file.", "Choose a folder.")
    strange = root.is_dir() and any(item.name != "lock" for item in root.iterdir())
    if strange and read_record(root) is None:
        raise SetupError(f"The folder {root} holds other files.", "Choose an empty or a new one.")


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep others from working on the folder; the system gives the lock back if we die.

    Programs that are started meanwhile (`run_program`) hold it too, except on Windows: a pip that
    outlives us is not disturbed by the next start.

    Raises:
        SetupError: another set-up works on it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "a", encoding="utf-8") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.set_inheritable(file.fileno(), True)
        except OSError as error:
            raise SetupError(
                f"Another set-up is at work in {root}.", "Wait for its end, or cancel it."
            ) from error
        yield

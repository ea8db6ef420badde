# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a result so that nothing half-written is ever left behind."""

import os
from pathlib import Path

from idto3d.errors import UserError


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path` by way of a neighbouring temporary file and a rename.

    Raises UserError when the disk refuses; the temporary file is gone then and a former file of
    that name is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"{path} could not be written: {error.strerror or error}. "
            "Free some space or choose another output folder, then resume."
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing. Raises UserError when refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {path} could not be made: {error.strerror or error}. "
            "Free some space or choose another output folder, then resume."
        ) from error

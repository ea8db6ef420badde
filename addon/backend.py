# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend as the add-on sees it: which Python runs it, what is wrong with it, its commands."""

from pathlib import Path

import bpy

from .package import preferences, user_folder
from .process import Listener, clean_environment, python_problem, start

__all__ = [
    "Listener",
    "backend_problem",
    "backend_python",
    "clean_environment",
    "command",
    "environment_folder",
    "jobs_folder",
    "start",
]

WHERE = "Edit > Preferences > Add-ons > ID-to-3D"


def environment_folder(context: bpy.types.Context) -> Path:
    """Where the add-on's own environment is, or would be."""
    chosen = preferences(context).environment_folder
    return Path(bpy.path.abspath(chosen)) if chosen else user_folder("environment")


def jobs_folder(context: bpy.types.Context) -> Path:
    """Where new jobs get their folders; it may not exist yet."""
    chosen = preferences(context).jobs_folder
    return Path(bpy.path.abspath(chosen)) if chosen else user_folder("jobs")


def backend_python(context: bpy.types.Context) -> Path | None:
    """The Python that runs the backend; None when there is none that could."""
    chosen = preferences(context).backend_python
    if chosen:
        path = Path(bpy.path.abspath(chosen))
        return None if python_problem(path) else path
    return None


def backend_problem(context: bpy.types.Context) -> str:
    """Why the backend can't be started, and what to do, in a sentence; "" when it can."""
    chosen = preferences(context).backend_python
    if chosen:
        problem = python_problem(Path(bpy.path.abspath(chosen)))
        return problem and f"The backend's Python is wrong: {problem} Choose another in {WHERE}."
    return f"The backend is not set up. Install it in {WHERE}."


def command(context: bpy.types.Context, *arguments: str) -> list[str]:
    """The command line of `idto3d ARGUMENTS`.

    Raises:
        RuntimeError: there is no backend; the text is `backend_problem`'s.
    """
    python = backend_python(context)
    if python is None:
        raise RuntimeError(backend_problem(context))
    # -I: neither variables nor the current folder lead the backend's Python astray.
    return [str(python), "-I", "-X", "utf8", "-m", "idto3d.cli", *arguments]

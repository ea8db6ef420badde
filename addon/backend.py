# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend as the add-on sees it: which Python runs it, what is wrong with it, its commands."""

from pathlib import Path

import bpy

from .environment.layout import Layout, link_backend, read_record
from .package import ROOT, preferences, user_folder
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
    """Where new jobs get their folders; it may not exist yet.

    Not in Blender's folder for the add-on, which goes when the add-on is uninstalled: heads are
    the person's work.
    """
    chosen = preferences(context).jobs_folder
    if chosen:
        return Path(bpy.path.abspath(chosen))
    documents = Path.home() / "Documents"
    return (documents if documents.is_dir() else Path.home()) / "ID-to-3D"


def existing_python(context: bpy.types.Context) -> Path | None:
    """The Python that the person pointed at, whether it is good or not; None: the add-on's own."""
    chosen = preferences(context).backend_python
    return Path(bpy.path.abspath(chosen)) if chosen else None


def backend_python(context: bpy.types.Context) -> Path | None:
    """The Python that runs the backend; None when there is none that could."""
    if backend_problem(context):
        return None
    return existing_python(context) or Layout(environment_folder(context)).python


def backend_problem(context: bpy.types.Context) -> str:
    """Why the backend can't be started, and what to do, in a sentence; "" when it can.

    Cheap enough for a panel: it looks at a few files and starts nothing.
    """
    chosen = existing_python(context)
    if chosen is not None:
        problem = python_problem(chosen)
        return problem and f"The existing Python is wrong: {problem} Choose another in {WHERE}."
    problem = environment_problem(environment_folder(context))
    return problem and f"{problem} in {WHERE}."


def environment_problem(root: Path) -> str:
    """What is missing of the environment in `root` and which button helps; "" when it is whole."""
    record = read_record(root)
    if record is None:
        return "The backend is not set up yet. Press Install"
    if not record.complete:
        return "The backend's set-up is not finished. Press Resume"
    if not Layout(root).python.is_file():
        return "The Python that the backend was set up with is gone. Press Repair"
    return ""


def command(context: bpy.types.Context, *arguments: str) -> list[str]:
    """The command line of `idto3d ARGUMENTS`.

    Raises:
        RuntimeError: there is no backend; the text is `backend_problem`'s.
    """
    python = backend_python(context)
    if python is None:
        raise RuntimeError(backend_problem(context))
    if existing_python(context) is None:
        # The add-on may have moved since the set-up, with a new version of Blender for example.
        link_backend(Layout(environment_folder(context)), ROOT)
    # -I: neither variables nor the current folder lead the backend's Python astray.
    return [str(python), "-I", "-X", "utf8", "-m", "idto3d.cli", *arguments]

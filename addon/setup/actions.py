# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons start, and what happens when it ends: `tick` is called by a timer."""

import sys
from collections.abc import Sequence
from pathlib import Path

import bpy

from .. import backend
from ..environment.layout import read_record
from ..package import ROOT, preferences
from ..process import Listener
from ..session import session
from .doctor import blender_findings, read_report, unable
from .session import Session
from .state import STATE

TICK_SECONDS = 0.2


class Refused(Exception):
    """An action that can't be started now; the text, cause and remedy, is for the person."""


def blender_python() -> Path | None:
    """The Python that Blender brought, as a program; None when there is none to be found."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin", Path(sys.prefix))
    places = [folder / name for folder in folders for name in (version, "python3", "python.exe")]
    # Most builds name it in sys.executable, some of them name Blender itself there.
    if Path(sys.executable).stem.lower().startswith("python"):
        places.insert(0, Path(sys.executable))
    return next((path for path in places if path.is_file()), None)


def base_python(context: bpy.types.Context) -> Path:
    """The Python to make the environment from.

    Raises:
        Refused: there is none.
    """
    chosen = preferences(context).base_python
    found = Path(bpy.path.abspath(chosen)) if chosen else blender_python()
    if found is None or not found.is_file():
        raise Refused(
            "There is no Python to make the environment from. Choose one, 3.11 or later, in the "
            "field Made From."
        )
    return found


def start_session(
    context: bpy.types.Context, action: str, words: Sequence[str], root: Path | None = None
) -> None:
    """Start the environment's program and the timer that follows it.

    A job at work would lose its packages: nothing but a first set-up and a bundle begins then.

    Args:
        context: Blender's.
        action: the program's command.
        words: its options, without the folder.
        root: the folder to work on; None: the environment's.

    Raises:
        Refused: something runs already, or the program can't be started.
    """
    if STATE.busy:
        raise Refused("A set-up or the doctor is at work. Wait for its end, or cancel it.")
    folder = root or backend.environment_folder(context)
    if read_record(folder) is not None and session().follow(context).active is not None:
        raise Refused("A head is being made with this environment. Wait for its end, or stop it.")
    python = blender_python() or base_python(context)
    try:
        STATE.session = Session(action, python, ["--root", str(folder), *words])
    except OSError as error:
        raise Refused(
            f"The set-up can't be started ({error.strerror}). Choose another Python in the field "
            "Made From."
        ) from error
    start_timer()


def start_install(
    context: bpy.types.Context, action: str = "install", bundle: Path | None = None
) -> None:
    """Start to install, resume or repair the environment.

    Raises:
        Refused: online access is off and there is no bundle, or something runs already.
    """
    if action == "install" and bundle is None:
        check_online()
    words = _packages_words(context)
    if bundle is not None:
        words += ["--bundle", str(bundle)]
    if not bpy.app.online_access:
        words.append("--offline")
    if preferences(context).keep_wheels:
        words.append("--keep-wheels")
    start_session(context, action, words)


def start_bundle(context: bpy.types.Context, folder: Path) -> None:
    """Start to fill `folder` with all that an installation elsewhere needs.

    Raises:
        Refused: online access is off, or something runs already.
    """
    check_online()
    root = backend.environment_folder(context)
    words = [*_packages_words(context), "--to", str(folder)]
    # In a folder of its own: the environment that works is not touched.
    start_session(context, "bundle", words, root.with_name(f"{root.name}-bundle"))


def _packages_words(context: bpy.types.Context) -> list[str]:
    chosen = preferences(context)
    words = ["--sources", str(ROOT), "--python", str(base_python(context))]
    words += ["--variant", chosen.torch.lower()]
    return [*words, "--index", chosen.index] if chosen.index else words


def check_online() -> None:
    """Raise Refused unless Blender may go online."""
    if not bpy.app.online_access:
        raise Refused(
            "Blender's online access is off. Turn on Allow Online Access in Preferences > System > "
            "Network, or import an offline bundle."
        )


def start_doctor(context: bpy.types.Context) -> None:
    """Start the examination.

    Raises:
        Refused: something runs already.
    """
    if STATE.busy:
        raise Refused("A set-up or the doctor is at work. Wait for its end, or cancel it.")
    problem = backend.backend_problem(context)
    STATE.findings = blender_findings(bpy.app.version_string, bpy.app.online_access, problem)
    if problem:
        return
    folder = str(backend.jobs_folder(context))
    try:
        STATE.doctor = Listener(backend.command(context, "doctor", "--json", "--folder", folder))
    except OSError as error:
        STATE.findings.append(unable(error.strerror or "", _own(context)))
        return
    start_timer()


def _own(context: bpy.types.Context) -> bool:
    return backend.existing_python(context) is None


def tick(context: bpy.types.Context) -> bool:
    """Take in what the programs said, without waiting; True while one is at work."""
    session = STATE.session
    changed = session is not None and session.tick()
    if session is not None and changed and session.outcome == "done" and session.action == "move":
        preferences(context).environment_folder = session.answer["root"]
        context.preferences.is_dirty = True
    if STATE.doctor is not None and STATE.doctor.finished:
        _take_report(context, STATE.doctor)
        STATE.doctor = None
        changed = True
    if changed:
        redraw(context)
    return STATE.busy


def _take_report(context: bpy.types.Context, listener: Listener) -> None:
    reports = listener.poll()
    try:
        # A doctor that finds a failure ends with code 1 and has a report all the same.
        STATE.findings += read_report(reports[0] if reports else None, _own(context))
    except ValueError:
        STATE.findings.append(unable(listener.problem(), _own(context)))


def redraw(context: bpy.types.Context) -> None:
    """Draw the preferences anew where they are open."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()


def _on_timer() -> float | None:
    return TICK_SECONDS if tick(bpy.context) else None


def start_timer() -> None:
    """Have `tick` called until nothing is at work any more."""
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=TICK_SECONDS, persistent=True)


def end_all() -> None:
    """Stop what is at work and forget it; the environment's folder keeps what is done."""
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)
    if STATE.session is not None:
        STATE.session.listener.cancel()
    if STATE.doctor is not None:
        STATE.doctor.kill()
    STATE.session, STATE.doctor, STATE.findings = None, None, []

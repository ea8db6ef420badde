# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: the preferences page and its buttons, from nothing to a doctor's report.

python -I drive_setup.py ZIP FOLDER BUNDLE SOURCES PYTHON
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
NAME = "bl_ext.user_default.idto3d"


def main(package: Path, folder: Path, bundle: Path, sources: Path, python: Path) -> dict[str, Any]:
    """Do what a person would; returns what the test wants to know."""
    os.environ["BLENDER_USER_RESOURCES"] = str(folder / "user")
    import bpy
    import recording_layout

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(package), repo="user_default", enable_on_install=True, overwrite=True
    )
    addon = NAME + ".addon"
    backend = sys.modules[f"{addon}.backend"]
    actions = sys.modules[f"{addon}.setup.actions"]
    context = bpy.context
    preferences = context.preferences.addons[NAME].preferences
    report: dict[str, Any] = {"online": bpy.app.online_access}

    def draw() -> dict[str, Any]:
        drawn = recording_layout.draw(type(preferences), preferences)
        return vars(drawn)

    def state() -> dict[str, Any]:
        session = actions.STATE.session
        return {
            "problem": backend.backend_problem(context),
            "python": str(backend.backend_python(context)),
            "outcome": session and session.outcome,
            "text": session and session.text,
            "page": draw(),
        }

    def follow() -> None:
        end = time.monotonic() + 60.0
        while actions.tick(context):
            assert time.monotonic() < end
            time.sleep(0.02)

    # The tiny backend in place of the one that comes with the add-on.
    page = sys.modules[f"{addon}.setup.page"]
    actions.ROOT = backend.ROOT = page.ROOT = sources
    preferences.base_python, preferences.torch = str(python), "CPU"
    report["default folders"] = [
        str(backend.environment_folder(context)),
        str(backend.jobs_folder(context)),
    ]
    root = folder / "place" / "environment"
    preferences.environment_folder = str(root)
    preferences.jobs_folder = str(folder / "jobs")

    report["nothing"] = state()
    report["refused"] = attempt(bpy.ops.idto3d.setup_install)
    report["refused bundle"] = attempt(
        bpy.ops.idto3d.setup_save_bundle, directory=str(folder / "b")
    )
    report["no command"] = attempt(lambda: backend.command(context, "doctor"))
    bpy.ops.idto3d.doctor()
    report["doctor of nothing"] = findings(actions)

    begun(root, folder)
    report["begun"] = state()
    report["started"] = attempt(bpy.ops.idto3d.setup_import_bundle, directory=str(bundle))
    report["busy"] = {
        "repair": bpy.ops.idto3d.setup_repair.poll(),
        "doctor": bpy.ops.idto3d.doctor.poll(),
        "cancel": bpy.ops.idto3d.setup_cancel.poll(),
        "page": draw(),
        "timer": bpy.app.timers.is_registered(actions._on_timer),
    }
    follow()
    report["installed"] = state()
    report["command"] = backend.command(context, "doctor")

    preferences.torch = "CUDA"
    (sources / "constraints.txt").write_text("tiny-part==2.0\n")
    page.locked_key.cache_clear()
    report["outdated"] = draw()
    preferences.torch = "CPU"

    job = job_at_work(folder / "jobs" / "ada")
    sys.modules[f"{addon}.session"].session().follow(context).poll(time.time())
    report["with a job at work"] = [
        attempt(action) for action in (bpy.ops.idto3d.setup_repair, bpy.ops.idto3d.setup_remove)
    ]
    job.unlink()
    sys.modules[f"{addon}.session"].session().follow(context).poll(time.time() + 60.0)

    bpy.ops.idto3d.doctor()
    report["examining"] = draw()
    follow()
    report["doctor of the tiny backend"] = findings(actions)
    report["doctor's page"] = draw()
    bpy.ops.idto3d.doctor_copy()

    bpy.ops.idto3d.setup_move(directory=str(folder / "place"))
    follow()
    report["moved"] = state() | {"folder": preferences.environment_folder}
    bpy.ops.idto3d.setup_remove()
    follow()
    report["removed"] = state()

    report["existing"] = [
        attempt(bpy.ops.idto3d.setup_existing, filepath=str(path))
        for path in (folder / "absent", sys.executable)
    ]
    follow()
    report["doctor of a Python without idto3d"] = findings(actions)
    report["with existing"] = state()
    bpy.ops.idto3d.setup_own()
    report["own again"] = preferences.backend_python

    def tips(kind: type) -> dict[str, str]:
        names = getattr(kind, "__annotations__", {})
        return {
            item.identifier: item.description
            for item in kind.bl_rna.properties  # type: ignore[attr-defined]
            if item.identifier in names
        }

    report["tooltips"] = {
        kind.bl_idname: [tooltip(kind.bl_idname), *tips(kind).values()]
        for kind in sys.modules[f"{addon}.setup.operators"].CLASSES
    }
    report["fields"] = tips(type(preferences))

    bpy.ops.idto3d.doctor()
    bpy.ops.preferences.addon_disable(module=NAME)
    report["after"] = [
        bpy.app.timers.is_registered(actions._on_timer),
        actions.STATE.busy,
        hasattr(bpy.types, "IDTO3D_OT_doctor"),
    ]
    return report


def job_at_work(root: Path) -> Path:
    """A job that this very process is the worker of; returns its lock."""
    protocol = sys.modules[f"{NAME}.backend.idto3d.job.protocol"]
    lock = sys.modules[f"{NAME}.backend.idto3d.job.lock"]
    eventlog = sys.modules[f"{NAME}.backend.idto3d.job.eventlog"]
    folder = protocol.JobFolder(root)
    folder.write_request(protocol.Request(photos=("a.jpg",), expressions=()))
    with eventlog.EventWriter(folder.events) as writer:
        writer.write(protocol.Started(os.getpid()))
    owner = {"pid": os.getpid(), "start": lock.process_start(os.getpid())}
    folder.lock.write_text(json.dumps(owner))
    return Path(folder.lock)


def tooltip(name: str) -> str:
    """What Blender shows for the operator."""
    import bpy

    group, _, word = name.partition(".")
    return str(getattr(getattr(bpy.ops, group), word).get_rna_type().description)


def begun(root: Path, folder: Path) -> None:
    """Put in place what the test prepared: an installation that was broken off."""
    root.parent.mkdir(parents=True)
    (folder / "begun").rename(root)


def attempt(action: Callable[..., Any], **words: Any) -> str:
    """What an operator reported when it was refused, "" when it was not."""
    try:
        action(**words)
    except RuntimeError as error:
        return str(error).strip()
    return ""


def findings(actions: Any) -> list[list[Any]]:
    """What the doctor found."""
    return [
        [item.name, item.state, item.found, item.remedy, item.repair]
        for item in actions.STATE.findings
    ]


if __name__ == "__main__":
    code = 0
    try:
        words = [Path(word) for word in sys.argv[1:]]
        print("REPORT " + json.dumps(main(*words)), flush=True)
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender as a module may hang or crash while Python shuts down

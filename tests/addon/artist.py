# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does, for scripts that run in Blender's Python: install, tick, look, press."""

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

NAME = "bl_ext.user_default.idto3d"
PANELS = ("photos", "person", "generate", "result", "light", "export", "history")


def begin(package: Path, folder: Path) -> None:
    """Start Blender with user folders in `folder` and the extension installed."""
    os.environ["BLENDER_USER_RESOURCES"] = str(folder / "user")
    import bpy

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(package), repo="user_default", enable_on_install=True, overwrite=True
    )


def addon(module: str) -> Any:
    """A module of the installed add-on."""
    return sys.modules[f"{NAME}.addon.{module}"]


def preferences() -> Any:
    """The add-on's preferences."""
    import bpy

    return bpy.context.preferences.addons[NAME].preferences


def settings() -> Any:
    """What the panels show of the scene."""
    import bpy

    return bpy.context.scene.idto3d


def use(python: Path, jobs: Path) -> None:
    """Point at a backend and at a folder for jobs."""
    preferences().backend_python, preferences().jobs_folder = str(python), str(jobs)


def prepare(photo: Path, person: str = "Ada") -> None:
    """Everything that Generate Head asks for."""
    import bpy

    settings().photos.clear()
    bpy.ops.idto3d.photos_add(directory=str(photo.parent), files=[{"name": photo.name}])
    settings().person, settings().consent = person, True


def press(operator: Callable[..., set[str]], **words: object) -> str:
    """Press a button; returns FINISHED, CANCELLED or the error that is reported."""
    try:
        return next(iter(operator(**words)))
    except RuntimeError as error:
        return str(error).strip().splitlines()[0].removeprefix("Error: ")


def tick() -> bool:
    """What the timer does."""
    import bpy

    return addon("tick").tick(bpy.context)


def follow(until: Callable[[], bool], seconds: float = 60.0) -> None:
    """Tick until something is true."""
    end = time.time() + seconds
    while not until():
        if time.time() > end:
            states = [job.state for job in addon("session").session().jobs]
            raise TimeoutError(str(states))
        tick()
        time.sleep(0.02)


def job() -> Any:
    """The job that the panel is about."""
    import bpy

    return addon("session").session().job_of(bpy.context.scene)


def phase() -> str:
    """Its phase."""
    found = job()
    return "none" if found is None else found.state.phase


def ended() -> bool:
    """Whether it is over."""
    return phase() in ("done", "failed", "dead", "stopped")


def panel(name: str) -> Any:
    """Draw a panel; returns what it shows."""
    import bpy
    import recording_layout

    return recording_layout.draw(getattr(bpy.types, f"VIEW3D_PT_idto3d_{name}"))


def all_panels() -> dict[str, dict[str, Any]]:
    """Draw every panel and the list of photos."""
    import bpy
    import recording_layout

    rows = recording_layout.draw_list(
        bpy.types.IDTO3D_UL_photos, settings(), "photos", "photo_index"
    )
    return {name: vars(panel(name)) for name in PANELS} | {"rows": vars(rows)}


def datablocks() -> dict[str, int]:
    """How many there are of the kinds that heads are made of."""
    import bpy

    kinds = ("objects", "meshes", "materials", "images", "collections", "shape_keys", "node_groups")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}


def report(main: Callable[[], dict[str, Any]]) -> None:
    """Run `main`, print what it returns for the test, and leave without Python's own end."""
    code = 0
    with contextlib.redirect_stderr(sys.stdout):
        try:
            found = main()
            sys.stdout.write("\nREPORT " + json.dumps(found) + "\n")
        except Exception:
            traceback.print_exc()
            code = 1
    sys.stdout.flush()
    os._exit(code)  # Blender as a module may hang or crash while Python shuts down

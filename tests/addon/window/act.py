# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by a Blender with a window: fills the panels, and tells what there is to see.

blender --python act.py -- FOLDER

FOLDER holds `act.json`: which backend, which photos, what to fill in. `state.json` in it is written
anew several times a second, for whoever moves the mouse and presses the keys from outside.
A file `quit` ends Blender.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import bpy

NAME = "bl_ext.user_default.idto3d"
PERIOD = 0.1  # seconds

bpy.context.preferences.view.show_splash = False


class Actor:
    """Does what `act.json` says and looks at Blender, between Blender's own work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders = json.loads((folder / "act.json").read_text(encoding="utf-8"))
        self.filled = False
        self.seen: list[str] = []  # what the viewport was turned to
        # The job's phase, and what the viewport showed, when the sidebar was drawn last.
        self.drawn: list[str] = []
        bpy.types.SpaceView3D.draw_handler_add(self.sidebar_is_drawn, (), "UI", "POST_PIXEL")
        self.last = time.perf_counter()
        self.longest_pause = 0.0  # between two of our turns: how long Blender was busy
        preferences = bpy.context.preferences.addons[NAME].preferences
        preferences.backend_python = self.orders["python"]
        preferences.jobs_folder = str(folder / "jobs")

    def turn(self) -> float:
        """One turn; returns the seconds to the next."""
        now = time.perf_counter()
        if self.filled:
            self.longest_pause = max(self.longest_pause, now - self.last - PERIOD)
        self.last = now
        area, sidebar = self.places()
        if sidebar is not None and sidebar.width > 1:
            if sidebar.active_panel_category != "ID-to-3D":
                # Read-only until Blender has drawn the tabs once.
                with contextlib.suppress(AttributeError):
                    sidebar.active_panel_category = "ID-to-3D"
                sidebar.tag_redraw()
            if not self.filled:
                self.filled = True
                self.fill()
        self.look(area)
        self.tell(area, sidebar)
        if (self.folder / "quit").exists():
            bpy.ops.wm.quit_blender()
        return PERIOD

    def places(self) -> tuple[Any, Any]:
        """The 3D viewport and its sidebar."""
        for area in bpy.context.window_manager.windows[0].screen.areas:
            if area.type == "VIEW_3D":
                return area, next(region for region in area.regions if region.type == "UI")
        return None, None

    def sidebar_is_drawn(self) -> None:
        """Blender calls this after it has drawn the sidebar."""
        job = sys.modules[f"{NAME}.addon.session"].session().job_of(bpy.context.scene)
        self.drawn = ["none" if job is None else job.state.phase, *self.seen]

    def look(self, area: Any) -> None:
        """Turn the viewport to the preview, and later to the head."""
        meshes = [item.name for item in bpy.data.objects if item.type == "MESH"]
        if self.filled and len(meshes) == 1 and meshes != self.seen:
            self.seen = meshes
            region = next(region for region in area.regions if region.type == "WINDOW")
            window = bpy.context.window_manager.windows[0]
            with bpy.context.temp_override(window=window, area=area, region=region):
                bpy.ops.idto3d.look_at_head(item=meshes[0])

    def fill(self) -> None:
        """What an artist fills in; the default cube goes."""
        for item in list(bpy.data.objects):
            if item.type == "MESH":
                bpy.data.objects.remove(item)
        settings = bpy.context.scene.idto3d
        for photo in map(Path, self.orders["photos"]):
            bpy.ops.idto3d.photos_add(directory=str(photo.parent), files=[{"name": photo.name}])
        settings.person, settings.consent = self.orders["person"], True
        settings.description = self.orders["description"]

    def tell(self, area: Any, sidebar: Any) -> None:
        """Write `state.json`."""
        current = sys.modules[f"{NAME}.addon.session"].session()
        job = current.job_of(bpy.context.scene)
        photos = bpy.context.scene.idto3d.photos
        window = bpy.context.window_manager.windows[0]
        state = {
            "blender": bpy.app.version_string,
            "window": [window.width, window.height],
            "viewport": None if area is None else [area.x, area.y, area.width, area.height],
            # Pixels from the lower left of the window.
            "sidebar": None
            if sidebar is None
            else [sidebar.x, sidebar.y, sidebar.width, sidebar.height],
            "filled": self.filled,
            "checked": bool(photos) and all(photo.verdict != "UNKNOWN" for photo in photos),
            "forecast": current.forecast.answer is not None,
            "phase": "none" if job is None else job.state.phase,
            "stage": "" if job is None else job.state.stage,
            "step": 0 if job is None else job.state.step,
            "objects": {
                item.name: [key.name for key in item.data.shape_keys.key_blocks[1:]]
                if item.data.shape_keys
                else []
                for item in bpy.data.objects
                if item.type == "MESH"
            },
            "preview": any("idto3d_preview" in item for item in bpy.data.objects),
            "drawn": self.drawn,
            "problem": current.problem,
            "longest pause": self.longest_pause,
        }
        temporary = self.folder / "state.new"
        temporary.write_text(json.dumps(state), encoding="utf-8")
        os.replace(temporary, self.folder / "state.json")


actor = Actor(Path(sys.argv[sys.argv.index("--") + 1]))
bpy.app.timers.register(actor.turn, first_interval=1.0, persistent=True)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: an artist at the panels with the real backend.

python -I drive_backend.py ZIP FOLDER PYTHON OVERRIDES PHOTO ...

PYTHON is the backend's; OVERRIDES are JSON, settings that replace the preset's. The worker is
killed once at its work and resumed. FOLDER/work.blend is the scene in the end.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import artist  # noqa: E402

PATIENCE = 3600.0  # seconds


def main() -> dict[str, Any]:
    """From the photos to the head."""
    package, folder, python = map(Path, sys.argv[1:4])
    overrides, photos = json.loads(sys.argv[4]), list(map(Path, sys.argv[5:]))
    artist.begin(package, folder)
    import bpy

    artist.use(python, folder / "jobs")
    settings, ops = artist.settings(), bpy.ops.idto3d
    for photo in photos:
        ops.photos_add(directory=str(photo.parent), files=[{"name": photo.name}])
    settings.person, settings.consent, settings.seed = "Ada", True, 3
    session = artist.addon("session").session()
    artist.follow(
        lambda: settings.photos[0].verdict != "UNKNOWN" or session.check.problem, PATIENCE
    )
    assert not session.check.problem, session.check.problem
    artist.follow(lambda: session.forecast.answer is not None, PATIENCE)
    found: dict[str, Any] = {
        "verdicts": [photo.verdict for photo in settings.photos],
        "forecast": session.forecast.answer,
        "panel": vars(artist.panel("person")),
    }

    generate = artist.addon("generate")
    asked = generate.request_of
    generate.request_of = lambda settings: dataclasses.replace(
        asked(settings), overrides=overrides, device="cpu"
    )
    found["generate"] = artist.press(ops.generate)
    job, previews = artist.job(), set()

    def watch(until: Any) -> None:
        def seen() -> bool:
            previews.update(item.name for item in bpy.data.objects if "idto3d_preview" in item)
            return bool(until())

        artist.follow(seen, PATIENCE)

    watch(lambda: job.state.stage == "texture" or artist.ended())
    found["stage when killed"] = job.state.stage
    owner = sys.modules[f"{artist.NAME}.backend.idto3d.job.lock"].owner(job.folder.lock)
    os.kill(owner, signal.SIGKILL)
    watch(artist.ended)
    found["killed"] = [artist.phase(), job.state.cause]
    found["objects when killed"] = [
        item.name for item in bpy.data.objects if "idto3d_preview" not in item
    ]
    found["resume"] = artist.press(ops.job_resume, job=job.id)
    watch(artist.ended)
    artist.tick()
    found["phase"], found["seconds"] = artist.phase(), job.state.elapsed(0.0)
    found["why"] = [job.state.cause, *session.not_imported.values()]
    found["log"] = job.folder.log.read_text(encoding="utf-8")[-2000:]
    found["previews"] = sorted(previews)
    found["heads"] = {
        item.name: {
            "vertices": len(item.data.vertices),
            "keys": [key.name for key in item.data.shape_keys.key_blocks],
            "low": min(vertex.co.z for vertex in item.data.vertices),
            "high": max(vertex.co.z for vertex in item.data.vertices),
            "front": min(vertex.co.y for vertex in item.data.vertices),
            "back": max(vertex.co.y for vertex in item.data.vertices),
            "materials": len(item.data.materials),
            "images": sorted(image.name for image in bpy.data.images),
            "collections": [collection.name for collection in item.users_collection],
        }
        for item in bpy.data.objects
        if item.type == "MESH"
    }
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "work.blend"))
    return found


if __name__ == "__main__":
    artist.report(main)

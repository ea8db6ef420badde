# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: what becomes of a job whose worker, or whose Blender, is killed.

python -I survive.py ZIP FOLDER start SECONDS, then ... again: Blender is killed
python -I survive.py ZIP FOLDER workers SECONDS ...: a worker is killed in each job
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import artist  # noqa: E402
from mock_backend import MockBackend  # noqa: E402
from mock_head import write_picture  # noqa: E402


def start(folder: Path, seconds: float) -> dict[str, Any]:
    """Generate, save the file, and be killed so many seconds later in the middle of whatever."""
    import bpy

    mock = MockBackend(folder / "mock")
    mock.play("done", pause=0.05)
    artist.use(mock.python, folder / "jobs")
    write_picture(folder / "photo.png")
    artist.prepare(folder / "photo.png")
    bpy.ops.idto3d.generate()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "work.blend"))
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    artist.follow(lambda: False, 60.0)
    return {}


def again(folder: Path) -> dict[str, Any]:
    """Open the file; follow the job to its end."""
    import bpy

    artist.use(folder / "mock" / "python", folder / "jobs")
    bpy.ops.wm.open_mainfile(filepath=str(folder / "work.blend"))
    artist.follow(lambda: artist.job() is not None)
    artist.follow(artist.ended)
    artist.tick()
    root = artist.job().folder.root
    return {
        "phase": artist.phase(),
        "objects": [item.name for item in bpy.data.objects],
        **what_is_left(root),
    }


def workers(folder: Path, moments: list[float]) -> dict[str, Any]:
    """Generate, kill the worker so many seconds later, look, resume; for each moment anew."""
    import bpy

    mock = MockBackend(folder / "mock")
    mock.play("done", pause=0.05)
    artist.use(mock.python, folder / "jobs")
    write_picture(folder / "photo.png")
    artist.prepare(folder / "photo.png")
    return {"jobs": [kill_a_worker(bpy, moment) for moment in moments]}


def kill_a_worker(bpy: Any, moment: float) -> dict[str, Any]:
    """One job, whose worker is killed at a moment of its life."""
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.idto3d.generate()
    job = artist.job()
    end = time.time() + moment
    artist.follow(lambda: time.time() >= end or artist.ended())
    was = job.state.phase
    job.end()
    killed = time.time()
    artist.follow(artist.ended)
    found = {"killed while": was, "noticed after": time.time() - killed, "phase": artist.phase()}
    found["half imported"] = [
        item.name
        for item in bpy.data.objects
        if "idto3d_preview" not in item and found["phase"] != "done"
    ]
    checkpoints = {
        path.stem: json.loads(path.read_text()) for path in job.folder.checkpoint.glob("*.json")
    }
    read = len(job.folder.events.read_text().splitlines()) if job.folder.events.exists() else 0
    if found["phase"] != "done":
        bpy.ops.idto3d.job_resume(job=job.id)
        artist.follow(artist.ended)
    artist.follow(lambda: bool(bpy.data.objects))
    artist.tick()
    first = {}  # step of each stage after the resume
    for line in job.folder.events.read_text().splitlines()[read:]:
        said = json.loads(line)
        if said["type"] == "progress":
            first.setdefault(said["stage"], said["step"])
    found["steps done twice"] = {
        stage: step - first[stage] for stage, step in checkpoints.items() if stage in first
    }
    found["end"] = artist.phase()
    found["objects"] = [item.name for item in bpy.data.objects]
    return found | what_is_left(job.folder.root)


def what_is_left(root: Path) -> dict[str, Any]:
    """Marks in a job's folder and processes that are at it, when those that end have ended."""
    marks = ("lock", "queued", "launched", "cancel", "finish")
    end = time.time() + 5.0  # a worker says that it is done, and then leaves
    while (workers := processes(root)) and time.time() < end:
        time.sleep(0.1)
    return {
        "left in the folder": [name for name in marks if (root / name).exists()],
        "workers": workers,
    }


def processes(root: Path) -> int:
    """How many have a job's folder in their command line."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return sum(str(root) in line for line in listing.stdout.splitlines())


def main() -> dict[str, Any]:
    """Do one part."""
    package, folder, part, *seconds = sys.argv[1:]
    artist.begin(Path(package), Path(folder))
    moments = [float(second) for second in seconds]
    if part == "workers":
        return workers(Path(folder), moments)
    return start(Path(folder), moments[0]) if part == "start" else again(Path(folder))


if __name__ == "__main__":
    artist.report(main)

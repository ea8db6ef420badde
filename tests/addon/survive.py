# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: a Blender that is killed at work, and the one that comes after it.

python -I survive.py ZIP FOLDER start SECONDS, then ... again
"""

import os
import signal
import subprocess
import sys
import threading
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
    marks = ("lock", "queued", "launched", "cancel", "finish")
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return {
        "phase": artist.phase(),
        "objects": [item.name for item in bpy.data.objects],
        "left in the folder": [name for name in marks if (root / name).exists()],
        "workers": sum(str(root) in line for line in listing.stdout.splitlines()),
    }


def main() -> dict[str, Any]:
    """Do one half."""
    package, folder, half, *seconds = sys.argv[1:]
    artist.begin(Path(package), Path(folder))
    return start(Path(folder), float(seconds[0])) if half == "start" else again(Path(folder))


if __name__ == "__main__":
    artist.report(main)

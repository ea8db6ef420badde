# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender with a window: the zip is installed, the mouse clicks Generate, a head comes.

`make test-window` runs this; pictures of the screen are then in out/window/.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.addon import blender
from tests.addon.window.screen import Window, screen, tallest_button

# The folder that make_blender.sh has made.
SYSTEM = os.environ.get("IDTO3D_WINDOW_SYSTEM", "")
PICTURES = blender.ROOT / "out" / "window"
PHOTOS = blender.ROOT / "assets" / "example"

pytestmark = pytest.mark.skipif(not SYSTEM, reason="a test of its own: make test-window")


@dataclass(frozen=True)
class Story:
    """What was seen at the start, while the job was at work, and in the end."""

    states: dict[str, dict[str, Any]]
    pictures: dict[str, Image.Image]
    log: str  # what Blender printed
    code: int  # its exit code


@pytest.fixture(scope="module")
def place(package: Path) -> Iterator[Path]:
    """A folder in the window's system with everything that Blender needs there."""
    place = furnish(Path(SYSTEM).resolve(), package)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def furnish(root: Path, package: Path) -> Path:
    """Make that folder, with the add-on installed, in the system in `root`."""
    place = root / "window"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(package, place / "idto3d.zip")
    shutil.copy(Path(__file__).with_name("act.py"), place)
    # The mock worker, where it finds its parts.
    (place / "tests" / "addon").mkdir(parents=True)
    for name in ("mock_worker.py", "mock_head.py"):
        shutil.copy(blender.ROOT / "tests" / "addon" / name, place / "tests" / "addon")
    shutil.copytree(blender.ROOT / "backend" / "idto3d", place / "backend" / "idto3d")
    script = {"scenario": "done", "pause": 2.0}
    (place / "script.json").write_text(json.dumps(script))
    (place / "python").write_text(
        "#!/bin/sh\nexec /usr/bin/python3 -I /window/tests/addon/mock_worker.py "
        '/window/script.json "$@"\n'
    )
    (place / "python").chmod(0o755)
    photos = sorted(PHOTOS.glob("*.jpg"))[:3]
    assert photos
    (place / "photos").mkdir()
    for photo in photos:
        shutil.copy(photo, place / "photos")
    orders = {
        "python": "/window/python",
        "photos": [f"/window/photos/{photo.name}" for photo in photos],
        "person": "Ada",
        "description": "short dark hair",
    }
    (place / "act.json").write_text(json.dumps(orders))
    install = ("extension", "install-file", "-r", "user_default", "-e", "/window/idto3d.zip")
    subprocess.run(
        [
            *("chroot", str(root), "env", "-i", "PATH=/usr/bin:/bin", "HOME=/window"),
            *("LANG=C.UTF-8", "BLENDER_USER_RESOURCES=/window/user"),
            *("blender", "--command", *install),
        ],
        check=True,
        timeout=300,
    )
    return place


@pytest.fixture(scope="module")
def story(place: Path) -> Story:
    """Open Blender, press N for the sidebar, click Generate Head, wait for the head."""
    states, pictures = {}, {}

    def look(name: str, state: dict[str, Any]) -> None:
        states[name] = state
        pictures[name].save(PICTURES / f"{name}.png")

    PICTURES.mkdir(parents=True, exist_ok=True)
    with screen() as display:
        window = Window(Path(SYSTEM).resolve(), place, display)
        try:
            left, bottom, width, height = window.wait(lambda state: state["viewport"])["viewport"]
            top = window.wait(bool)["window"][1] - bottom - height
            window.key("n", left + width // 2, top + height // 2)
            state = window.wait(lambda state: state["checked"] and state["forecast"])
            pictures["start"] = window.settled_picture()
            look("start", state)
            window.click(*tallest_button(pictures["start"], tuple(state["sidebar"])))
            window.wait(lambda state: state["phase"] in ("starting", "running"))
            state = window.wait(lambda state: state["drawn"] == ["running", "Ada (preview)"])
            pictures["middle"] = window.picture()
            look("middle", state)
            window.wait(lambda state: state["drawn"] == ["done", "Ada"])
            pictures["end"] = window.settled_picture()
            look("end", window.state())
        finally:
            code = window.close()
    return Story(states, pictures, window.log(), code)


def test_nothing_happens_before_the_click(story: Story) -> None:
    assert story.states["start"]["phase"] == "none" and story.states["start"]["objects"] == {}


def test_preview_is_in_the_viewport_while_the_worker_works(story: Story) -> None:
    middle = story.states["middle"]
    assert middle["phase"] == "running" and len(middle["objects"]) == 1
    assert changed(story, "start", "middle", "viewport") > 0.005


def test_head_comes_in(story: Story) -> None:
    end = story.states["end"]
    assert end["objects"] == {"Ada": ["smile", "jaw_open", "surprise"]} and not end["preview"]
    assert end["problem"] == ""


def test_panel_shows_each_state(story: Story) -> None:
    assert changed(story, "start", "middle", "sidebar") > 0.01
    assert changed(story, "middle", "end", "sidebar") > 0.01


def test_blender_draws_without_complaint(story: Story) -> None:
    assert story.code == 0
    complaints = ("Traceback", "Error", "rna_uiItem", "not found", "invalid icon")
    lines = [line for line in story.log.splitlines() if any(word in line for word in complaints)]
    assert lines == []


def changed(story: Story, one: str, other: str, place: str) -> float:
    """Share of the pixels of a part of the window that are not the same in two pictures."""
    left, bottom, width, height = story.states[one][place]
    top = story.pictures[one].height - bottom - height
    first, second = (
        np.asarray(story.pictures[name].crop((left, top, left + width, top + height))).astype(int)
        for name in (one, other)
    )
    return float((np.abs(first - second).max(axis=2) > 8).mean())

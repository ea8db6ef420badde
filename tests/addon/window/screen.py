# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen that nobody sees, a Blender on it, a mouse, a keyboard and a camera."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageGrab

WIDTH, HEIGHT = 1600, 1400  # tall: the open panels of the sidebar have room
PATIENCE = 600.0  # seconds; everything is drawn by the processor, which may be busy


@contextmanager
def screen() -> Iterator[str]:
    """An X server without a monitor; gives its name."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp", "+extension", "GLX", "-noreset"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            yield f":{said.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


class Window:
    """A running Blender in a folder with an operating system of its own.

    Args:
        root: that system's folder.
        place: a folder in it, as seen from outside; `act.json` is there.
        display: the screen's name.
    """

    def __init__(self, root: Path, place: Path, display: str) -> None:
        self._place, self._display = place, display
        inside = "/" + str(place.relative_to(root))
        self._log = open(place / "blender.log", "w", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                *("chroot", str(root), "env", "-i", "PATH=/usr/bin:/bin", f"HOME={inside}"),
                *(f"DISPLAY={display}", "LIBGL_ALWAYS_SOFTWARE=1", "LANG=C.UTF-8"),
                *(f"BLENDER_USER_RESOURCES={inside}/user", "blender", "--window-geometry"),
                *("0", "0", str(WIDTH), str(HEIGHT), "--python-exit-code", "1"),
                *("--python", f"{inside}/act.py", "--", inside),
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def state(self) -> dict[str, Any]:
        """What `act.py` told last; {} before it says anything."""
        try:
            return dict(json.loads((self._place / "state.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    def wait(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a state, and return it. Raises TimeoutError, or RuntimeError without Blender."""
        end = time.monotonic() + PATIENCE
        while True:
            state = self.state()
            if state and condition(state):
                return state
            if self._process.poll() is not None:
                raise RuntimeError(f"Blender has ended.\n{self.log()}")
            if time.monotonic() > end:
                raise TimeoutError(f"{state}\n{self.log()}")
            time.sleep(0.05)

    def log(self) -> str:
        """What Blender has printed."""
        return (self._place / "blender.log").read_text(encoding="utf-8")

    def key(self, name: str, x: int, y: int) -> None:
        """Press a key with the pointer at a place, pixels from the upper left."""
        self._mouse_and_keys("mousemove", str(x), str(y))
        time.sleep(0.3)
        self._mouse_and_keys("key", name)

    def click(self, x: int, y: int) -> None:
        """Press the left button there."""
        # From the side: a button lights up when the pointer comes, and only then takes a click.
        self._mouse_and_keys("mousemove", str(x - 5), str(y))
        time.sleep(0.2)
        self._mouse_and_keys("mousemove", str(x), str(y))
        time.sleep(0.3)
        self._mouse_and_keys("click", "1")

    def _mouse_and_keys(self, *words: str) -> None:
        subprocess.run(
            ["xdotool", *words], env={**os.environ, "DISPLAY": self._display}, check=True
        )

    def picture(self) -> Image.Image:
        """The whole screen."""
        return ImageGrab.grab(xdisplay=self._display).convert("RGB")

    def settled_picture(self) -> Image.Image:
        """The whole screen, when nothing moves on it any more: panels slide, thumbnails come."""
        end = time.monotonic() + PATIENCE
        before = self.picture()
        while True:
            time.sleep(2.0)
            now = self.picture()
            if ImageChops.difference(before, now).getbbox() is None:
                return now
            if time.monotonic() > end:
                raise TimeoutError("The screen does not come to rest.")
            before = now

    def close(self) -> int:
        """End Blender; returns its exit code."""
        (self._place / "quit").touch()
        try:
            return self._process.wait(60.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._log.close()


def tallest_button(picture: Image.Image, sidebar: tuple[int, int, int, int]) -> tuple[int, int]:
    """The middle of the tallest button of a sidebar: Generate Head.

    Args:
        picture: of the screen.
        sidebar: its left, bottom, width and height, pixels from the screen's lower left.

    Returns:
        Pixels from the upper left.
    """
    left, bottom, width, height = sidebar
    top = picture.height - bottom - height
    # Near the buttons' left end there is no text on them.
    column = np.asarray(picture)[top : top + height, left + width // 5]
    same = np.abs(np.diff(column.astype(int), axis=0)).max(axis=1) <= 2
    lit = column.astype(int).min(axis=1) >= 75  # buttons are lighter than the panel
    best = (0, 0)
    begin = 0
    for row in range(1, height):
        if not (same[row - 1] and lit[row]):
            begin = row
        best = max(best, (row - begin, begin))
    length, begin = best
    return left + width // 2, top + begin + length // 2

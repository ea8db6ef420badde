# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures in panels: Blender's previews of files, kept for as long as they are shown."""

import os
from pathlib import Path

import bpy.utils.previews

# More than the panels show at once; then the ones that were not asked for longest go.
KEPT = 64


class Thumbnails:
    """Icons of picture files; loads each file once, and again when it has changed."""

    def __init__(self) -> None:
        self._previews = bpy.utils.previews.new()
        self._keys: dict[str, None] = {}  # in the order of their last use

    def icon(self, path: Path | str | None) -> int:
        """The icon of a picture for `template_icon` and `label`; 0 when there is no such file."""
        if path is None:
            return 0
        try:
            changed = os.stat(path).st_mtime_ns
        except OSError:
            return 0
        key = f"{path}:{changed}"
        if key not in self._previews:
            while len(self._keys) >= KEPT:
                oldest = next(iter(self._keys))
                del self._keys[oldest]
                del self._previews[oldest]
            self._previews.load(key, str(path), "IMAGE")
        self._keys.pop(key, None)
        self._keys[key] = None
        return self._previews[key].icon_id

    def close(self) -> None:
        """Give the pictures back to Blender."""
        bpy.utils.previews.remove(self._previews)

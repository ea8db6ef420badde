# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that is none: whatever is started with it is played by `mock_worker.py`."""

import json
import sys
from pathlib import Path

WORKER = Path(__file__).resolve().with_name("mock_worker.py")


class MockBackend:
    """A program in `folder` that stands for the backend's Python.

    `play` says what its next commands do; those that run go on with what they were told.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.python = folder / "python"
        self._script = folder / "script.json"
        self.python.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -I "{WORKER}" "{self._script}" "$@"\n'
        )
        self.python.chmod(0o755)
        self.play("done")

    def play(self, scenario: str, **more: object) -> None:
        """Choose what happens to the next job."""
        temporary = self._script.with_suffix(".tmp")
        temporary.write_text(json.dumps({"scenario": scenario, **more}))
        temporary.replace(self._script)

    def command(self, *words: str) -> list[str]:
        """As `addon.backend.command`."""
        return [str(self.python), "-I", "-X", "utf8", "-m", "idto3d.cli", *words]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole pipeline in seconds: a portrait, a random prior of the full layout, few steps."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage.data import astronaut

from idto3d.job.protocol import JobFolder, Request
from idto3d.prior.random_prior import write_random_prior

TINY: dict[str, Any] = {
    "geometry.lattice_resolution": 24,
    "geometry.iterations": 4,
    "geometry.wrap_from": 0.5,  # two steps of either kind of surface
    "texture.iterations": 3,
    "texture.diffuse_share": 0.4,  # two stages, and the third with
    "texture.refine_iterations": 1,
    "texture.environments": 3,
    "asset.target_faces": 1500,
    "asset.texture_size": 64,
}


def write_materials(folder: Path) -> None:
    """`folder/portrait.png` (Eileen Collins, NASA, public domain) and `folder/prior`."""
    Image.fromarray(astronaut()).save(folder / "portrait.png")
    write_random_prior(folder / "prior", image_size=64)


def make_tiny_job(root: Path, materials: Path, **changes: Any) -> JobFolder:
    """A job folder with a request for the neutral face and a smile."""
    folder = JobFolder(root)
    root.mkdir(parents=True)
    values: dict[str, Any] = {
        "photos": (str(materials / "portrait.png"),),
        "expressions": ("smile",),
        "prior": str(materials / "prior"),
        "device": "cpu",
        "seed": 3,
        "overrides": TINY,
    }
    folder.write_request(Request(**{**values, **changes}))
    return folder


def surface_of(folder: JobFolder) -> dict[str, np.ndarray]:
    """The arrays of the finished surface, all of them numbers."""
    with np.load(folder.result / "surface.npz", allow_pickle=False) as data:
        return {name: data[name] for name in data.files if name != "expressions"}


class Recorder:
    """A reporter that remembers, and asks to stop after so many steps of a stage."""

    def __init__(self, stop_in: str = "", stop_after: int = 0) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps: list[tuple[str, int]] = []
        self.metrics: list[dict[str, float]] = []
        self.warnings: list[str] = []
        self.pictures: list[Path] = []
        self._stop = (stop_in, stop_after)

    def status(self, text: str) -> None:
        assert text

    def stage(self, name: str, total: int) -> None:
        self.stages.append((name, total))

    def step(self, n: int, **metrics: float) -> None:
        self.steps.append((self.stages[-1][0], n))
        self.metrics.append(metrics)

    def preview(self, path: Any) -> None:
        self.pictures.append(Path(path))

    picture = preview

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def should_stop(self) -> bool:
        return bool(self.steps) and self.steps[-1] == self._stop

# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an asset came from and what it may be used for: provenance.json."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from idto3d import __version__
from idto3d.asset.files import write_whole

# What shapes the numbers of a result; everything else is listed in the lock file.
PACKAGES = ("torch", "numpy", "diffusers", "warp-lang", "xatlas", "fast-simplification")


@dataclass(frozen=True)
class Ingredient:
    """Something that went into the asset and whose licence goes on with it."""

    kind: str  # "prior", "identity encoder", "template", …
    name: str  # "compact"
    licence: str  # SPDX identifier or the licence's own name
    commercial_use: bool  # whether that licence lets results be sold
    source: str = ""  # where it is from, an address or a citation


def describe(
    photos: Sequence[tuple[str, str]],
    ingredients: Sequence[Ingredient],
    settings: Mapping[str, Any],
    seed: int,
    timings: Mapping[str, float],
    created: str,
) -> dict[str, Any]:
    """The provenance as a JSON-ready dictionary.

    photos: the name, never the folder, and the SHA-256 of each file that was used.
    settings: JSON-ready. timings: seconds for each stage. created: ISO 8601 time.
    """
    return {
        "version": 1,
        "created": created,
        "generator": f"ID-to-3D for Blender {__version__}",
        "commercial_use": commercial_use(ingredients),
        "ingredients": [vars(ingredient) for ingredient in ingredients],
        "photos": [{"name": name, "sha256": sha256} for name, sha256 in photos],
        "seed": seed,
        "settings": dict(settings),
        "timings_seconds": {stage: round(value, 3) for stage, value in timings.items()},
        "versions": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "idto3d": __version__,
            **{package: _version(package) for package in PACKAGES},
        },
    }


def commercial_use(ingredients: Sequence[Ingredient]) -> dict[str, Any]:
    """A plain yes or no with its reason: {"allowed": bool, "reason": sentence}."""
    barred = [item for item in ingredients if not item.commercial_use]
    if barred:
        listed = ", ".join(f"the {item.kind} '{item.name}' ({item.licence})" for item in barred)
        reason = f"For non-commercial use only, because of {listed}."
    else:
        listed = ", ".join(f"{item.kind} '{item.name}' ({item.licence})" for item in ingredients)
        reason = f"Every ingredient permits commercial use: {listed}."
    reason += " The consent of the person in the photographs is needed in any case."
    return {"allowed": not barred, "reason": reason}


def write_provenance(path: Path, provenance: Mapping[str, Any]) -> None:
    """Write it as indented JSON. Raises UserError when the disk refuses."""
    text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, text.encode("utf-8"))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"

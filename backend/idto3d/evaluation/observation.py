# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is measured of one head, kept beside the job so that a stopped evaluation goes on.

What can be said of one head alone are numbers; whom it resembles depends on the others, so that the
embeddings themselves are kept and ranked later (`standing`).
"""

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.asset.files import write_whole
from idto3d.errors import UNREADABLE_NPZ
from idto3d.evaluation.albedo import AlbedoError
from idto3d.evaluation.baked_light import BakedLight
from idto3d.evaluation.expression import Recognised
from idto3d.evaluation.geometry import FaceDistance

# To be raised when what is measured changes: kept files of another version are measured anew.
VERSION = 3

Embeddings = dict[str, np.ndarray]  # judge -> array


@dataclass(frozen=True)
class Surfaces:
    """Millimetres over the face and over the whole head."""

    face: FaceDistance
    face_apart_from_size: FaceDistance
    head: FaceDistance


@dataclass(frozen=True)
class Truth:
    """What is known of a person without any generated head."""

    gallery: Embeddings  # (P,D) other pictures of the person
    sides: Embeddings  # (PICTURES,D) portraits of the true head: what a perfect head would reach
    poses: Embeddings  # (len(POSES),D) likewise
    baked_light: BakedLight | None


@dataclass(frozen=True)
class Observation:
    """One generated head; without a known true head there are no distances."""

    expressions: tuple[str, ...]  # K names, the neutral one first
    sides: Embeddings  # (PICTURES,D)
    poses: Embeddings  # (len(POSES),D)
    posed: Embeddings  # (K,len(EXPRESSION_YAWS),D)
    recognised: tuple[Recognised, ...]  # K - 1, the neutral one left out
    baked_light: BakedLight
    template: Surfaces | None
    stage_zero: Surfaces | None
    generated: Surfaces | None
    albedo: AlbedoError | None
    first_albedo: AlbedoError | None  # of one colour, the photographs' skin tone


def keep(path: Path, value: Any, key: str) -> None:
    """Write a dataclass of numbers and `Embeddings` as npz without objects; `key` says what it was
    made from."""
    arrays: dict[str, np.ndarray] = {}
    facts: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, dict):
            arrays |= {f"{field.name}/{name}": array for name, array in content.items()}
        else:
            facts[field.name] = _plain(content)
    header = json.dumps({"version": VERSION, "key": key, "facts": facts})
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.array(header), **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def kept_truth(path: Path, key: str) -> Truth | None:
    """What `keep` wrote; None when it is missing, damaged, or made from something else."""
    found = read_kept(path, key)
    if found is None:
        return None
    facts, arrays = found
    return Truth(**arrays, baked_light=_maybe(BakedLight, facts["baked_light"]))


def kept_observation(path: Path, key: str) -> Observation | None:
    """What `keep` wrote; None when it is missing, damaged, or made from something else."""
    found = read_kept(path, key)
    if found is None:
        return None
    facts, arrays = found
    surfaces: dict[str, Any] = {
        name: None if facts[name] is None
        else Surfaces(**{part: FaceDistance(**found) for part, found in facts[name].items()})
        for name in ("template", "stage_zero", "generated")
    }  # fmt: skip
    return Observation(
        tuple(facts["expressions"]),
        **arrays,
        recognised=tuple(Recognised(**row) for row in facts["recognised"]),
        baked_light=BakedLight(**facts["baked_light"]),
        albedo=_maybe(AlbedoError, facts["albedo"]),
        first_albedo=_maybe(AlbedoError, facts["first_albedo"]),
        **surfaces,
    )


def read_kept(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Facts and, by field, arrays by judge; None when the file is missing, damaged, or of another
    version or key."""
    try:
        with np.load(path, allow_pickle=False) as data:
            header = json.loads(str(data["header"]))
            if header["version"] != VERSION or header["key"] != key:
                return None
            arrays: dict[str, Any] = {}
            for name in data.files:
                if name != "header":
                    field, judge = name.split("/")
                    arrays.setdefault(field, {})[judge] = data[name]
            return header["facts"], arrays
    except UNREADABLE_NPZ:
        return None


def _maybe(kind: Any, values: dict[str, Any] | None) -> Any:
    return None if values is None else kind(**values)


def _plain(value: Any) -> Any:
    """Dataclasses and tuples of them as JSON knows them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value

# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints that survive a kill at any moment: nested state in safetensors files, no pickle.

Each checkpoint is one file, `checkpoint/000012.safetensors`: the tensors, and everything else as
JSON in the file's metadata. It is written beside its place, flushed to the disk and renamed, so a
numbered file is always whole; the one before is kept too.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

# The newest and the one before, should the newest lie on a damaged sector.
KEEP = 2
# A run may lose at most a minute of work.
INTERVAL_SECONDS = 45.0


class Checkpoints:
    """The checkpoints of one job folder.

    A state is nested dicts (keys: str or int), lists and tuples of tensors, numbers, strings,
    booleans and None: what `state_dict()` of modules and optimisers and `get_state()` of random
    generators give. Tensors come back on the CPU with the same dtype, shape and bits.
    """

    def __init__(self, folder: Path, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._folder = folder
        self._interval = interval_seconds
        self._saved = time.monotonic()

    def due(self) -> bool:
        """True when the last one is old enough for another."""
        return time.monotonic() - self._saved >= self._interval

    def save(self, state: dict[str, Any]) -> Path:
        """Write the state; returns its file. On an OSError (a full disk) the older ones stay."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for torn in self._folder.glob("*.tmp*"):  # ours and the library's own
            torn.unlink()
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        path = self._folder / f"{number:06d}.safetensors"
        temporary = path.with_suffix(".tmp")
        tensors: dict[str, torch.Tensor] = {}
        skeleton = json.dumps(_pack(state, "state", tensors))
        try:
            _write(temporary, tensors, skeleton)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(self._folder)
        for old in files[: len(files) + 1 - KEEP]:
            old.unlink()
        self._saved = time.monotonic()
        return path

    def load(self) -> dict[str, Any] | None:
        """The newest readable state; None when there is none."""
        for path in reversed(self._files()):
            try:
                with safe_open(path, framework="pt", device="cpu") as file:
                    skeleton = json.loads(file.metadata()["state"])
                    # Copied out of the mapped file, so that it can be deleted while they live.
                    tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
            except (SafetensorError, OSError):
                continue
            return _unpack(skeleton, tensors)
        return None

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.safetensors"))


def _write(path: Path, tensors: dict[str, torch.Tensor], skeleton: str) -> None:
    try:
        save_file(tensors, path, metadata={"state": skeleton})
    except SafetensorError as error:
        # The library wraps the system's error in text; whoever handles a full disk wants it back.
        raise OSError(_errno(str(error)), str(error)) from error
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _errno(text: str) -> int:
    # "I/O error: No space left on device (os error 28)"
    _, _, tail = text.partition("os error ")
    digits = tail.partition(")")[0]
    return int(digits) if digits.isdigit() else 0


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle for a folder; its rename is journalled
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON for `value`, its tensors collected under the path of keys that leads to them.

    JSON has neither integer keys nor tuples, so each container says what it is.
    """
    if isinstance(value, torch.Tensor):
        # Numbered, as the keys 1 and "1" give the same path; copied, as safetensors refuses
        # tensors that share memory.
        name = f"{len(tensors)}:{name}"
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        items = [[key, _pack(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        return {"dict": items}
    if isinstance(value, list | tuple):
        items = [_pack(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint can't hold {type(value).__name__} (at {name})")


def _unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items

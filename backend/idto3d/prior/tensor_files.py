# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading other people's weight files, .safetensors or .bin, without running anything in them."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from idto3d.errors import UserError


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors as they are stored. Raises UserError when the file is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def read_bin(path: Path) -> Any:
    """What torch saved: tensors in dicts and lists.

    Raises UserError when the file is missing or damaged, or holds anything else.
    """
    try:
        # weights_only: torch's own reader, which builds tensors and containers and calls nothing.
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"There is no file {path}. Check its path.")
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return UserError(
        f"{path} can't be read as tensors ({reason}). Download the file again, from its authors."
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a training stage on disk: safetensors and JSON, written so that a kill is harmless.

`state-<samples>.safetensors` holds parameters, averages, optimiser moments and the random
generator; `state.json`, replaced last and at once, says which file counts.
"""

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from idto3d.errors import UserError
from idto3d.training.ema import MovingAverage


@dataclass
class Counters:
    """What a stage has done so far, over all its calls."""

    step: int = 0  # optimisation steps
    samples: int = 0  # training samples, all processes together
    seconds: float = 0.0  # time in the loop


def save_state(
    folder: Path,
    counters: Counters,
    parameters: dict[str, nn.Parameter],
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Write the state; the previous one is removed only once the new one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {"generator": generator.get_state()}
    for name, parameter in parameters.items():
        tensors[f"parameter/{name}"] = parameter.detach()
        tensors[f"average/{name}"] = average.average[name]
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = torch.as_tensor(value)
    tensors = {key: value.cpu().contiguous().clone() for key, value in tensors.items()}
    path = folder / f"state-{counters.samples}.safetensors"
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    os.replace(temporary, path)
    index = folder / "state.json.tmp"
    index.write_text(json.dumps({"version": 1, "file": path.name, **asdict(counters)}))
    os.replace(index, folder / "state.json")
    for old in folder.glob("state-*.safetensors"):
        if old != path:
            old.unlink()


def has_state(folder: Path) -> bool:
    """Whether a training stage was saved here."""
    return (folder / "state.json").is_file()


def load_state(
    folder: Path,
    parameters: dict[str, nn.Parameter],
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    growing: Collection[str] = (),
) -> Counters:
    """Read a state into the given objects. Raises UserError when it belongs to other settings.

    `growing` parameters may have more rows than when they were saved; new ones stay as they are.
    """
    index = json.loads((folder / "state.json").read_text())
    tensors = load_file(folder / index["file"])
    for name in set(growing) & set(parameters):
        saved, parameter = tensors[f"parameter/{name}"], parameters[name]
        if saved.shape[1:] != parameter.shape[1:]:
            continue  # of other settings, as is said below
        fresh = parameter.detach()[len(saved) :].cpu()
        for key in [key for key in tensors if key.endswith(f"/{name}") and tensors[key].dim()]:
            more = torch.zeros_like(fresh) if key.startswith("optimizer/") else fresh
            tensors[key] = torch.cat([tensors[key], more])
    missing = [name for name in parameters if f"parameter/{name}" not in tensors]
    changed = [
        name
        for name, parameter in parameters.items()
        if name not in missing and tensors[f"parameter/{name}"].shape != parameter.shape
    ]
    if missing or changed:
        raise UserError(
            f"The training state in {folder} does not fit the model ({(missing + changed)[0]}). "
            "Use the settings it was started with, or another output folder."
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"parameter/{name}"])
            average.average[name].copy_(tensors[f"average/{name}"])
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, field, name = key.split("/", 2)
            # AdamW keeps its step count on the CPU and the moments beside the parameter.
            device = value.device if field == "step" else parameters[name].device
            optimizer.state[parameters[name]][field] = value.to(device)
    generator.set_state(tensors["generator"])
    return Counters(index["step"], index["samples"], index["seconds"])

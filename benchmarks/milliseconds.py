# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each millisecond of an optimisation step goes: `python -m benchmarks.milliseconds`.

The steps are those of `benchmarks.steps`, which call the product's own functions; each of these is
timed where it is called, a GPU's queue emptied before and after.
"""

import argparse
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks import optimisation, steps
from benchmarks.clock import Clock, Task
from benchmarks.compact import prior_folder
from benchmarks.steps import GeometryStep, Subject, TextureStep
from idto3d import guidance
from idto3d.allocator import keep_freed_memory
from idto3d.head.model import HeadModel
from idto3d.prior.load import Prior
from idto3d.settings import PRESETS
from idto3d.texture.model import TextureModel

# What a step calls, by what it is for; none of them calls another of them.
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "surface and its regularisers": (
        (HeadModel, "wrapped"), (HeadModel, "extracted"), (HeadModel, "regularization"),
    ),
    "pictures": ((steps, "camera_normals_image"), (TextureModel, "render")),
    "the hint's pictures": ((guidance, "supersampled"),),
    "encoder": ((Prior, "encode"), (guidance.LinearEncoder, "encode")),
    "words and identity": ((Prior, "condition"), (Prior, "unconditional")),
    "denoiser, both branches": ((Prior, "denoise"),),
    "backward": ((Tensor, "backward"),),
    "update": ((torch.optim.Adam, "step"),),
}  # fmt: skip
WHOLE, REST = "whole step", "all else"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.milliseconds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repetitions", type=int, default=9, help="steps to take the mean of")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--graphs", action="store_true", help="CUDA graphs, on a GPU")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="draft")
    parser.add_argument("--prior", type=Path, help="another prior than the shipped one")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    prior, which = (options.prior, str(options.prior)) if options.prior else prior_folder()
    clock = Clock(torch.device(options.device), 1)
    print(f"Prior: {which}. Preset {options.preset}. Milliseconds: {clock.name}, means of "
          f"{options.repetitions} steps.\n")  # fmt: skip
    subject = Subject(prior, optimisation.DEMO_EXPRESSIONS, clock.device)
    settings = PRESETS[options.preset]
    graphs = clock.device.type == "cuda" and options.graphs
    shape, albedo = (subject.guide(domain, replayed=graphs) for domain in ("geometry", "albedo"))
    geometry, texture = settings.geometry, settings.texture
    kinds: dict[str, Task] = {
        "extracted": GeometryStep(subject, geometry, shape, wrapped=False),
        "extracted, small": GeometryStep(subject, geometry, shape, wrapped=False, coarse=True),
        "wrapped": GeometryStep(subject, geometry, shape, wrapped=True),
        "albedo": TextureStep(subject, texture, albedo, albedo_only=True),
        "materials": TextureStep(subject, texture, albedo, albedo_only=False),
    }
    columns = {name: shares_of(step, clock, options.repetitions) for name, step in kinds.items()}
    print(table_of(columns))


def shares_of(step: Task, clock: Clock, repetitions: int, warm_up: int = 2) -> dict[str, float]:
    """Mean seconds of each part of a step, of all else, and of the whole."""
    for _ in range(warm_up):
        step()
    spent = dict.fromkeys(PARTS, 0.0)
    with _timed(spent, clock):
        whole = sum(clock.seconds(step) for _ in range(repetitions))
    spent[REST] = whole - sum(spent.values())
    spent[WHOLE] = whole
    return {name: seconds / repetitions for name, seconds in spent.items()}


def table_of(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Rows of parts in milliseconds, a column for each kind of step."""
    names = list(next(iter(columns.values())))
    width = max(map(len, names))
    lines = [" " * width + "".join(f"{name:>18}" for name in columns)]
    for name in names:
        cells = (1000 * column[name] for column in columns.values())
        lines.append(name.ljust(width) + "".join(f"{value:18.1f}" for value in cells))
    return "\n".join(lines)


@contextmanager
def _timed(spent: dict[str, float], clock: Clock) -> Iterator[None]:
    """Within, calls of PARTS add their seconds to `spent`."""

    def watch(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            results = []
            call = functools.partial(function, *arguments, **options)
            spent[part] += clock.seconds(lambda: results.append(call()))
            return results[0]

        return timed

    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for owner, name in functions:
                stack.enter_context(patch.object(owner, name, watch(part, getattr(owner, name))))
        yield


if __name__ == "__main__":
    main()

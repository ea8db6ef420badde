# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step costs: over its denoiser, over fewer expressions, over a coarser lattice."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clock import Clock, Task
from benchmarks.steps import DenoiserCalls, GeometryStep, Subject, TextureStep
from benchmarks.table import Row
from idto3d.settings import PRESETS

DRAFT = PRESETS["draft"]
DEMO_EXPRESSIONS = 5  # neutral and four, as `make demo`
MANY_EXPRESSIONS = 13  # the paper's largest set


def over_denoiser(subject: Subject, clock: Clock, repetitions: int) -> Iterator[Row]:
    """Each kind of step over the two denoiser calls that it contains."""
    geometry, texture = DRAFT.geometry, DRAFT.texture
    shape, albedo = subject.guide("geometry"), subject.guide("albedo")
    seconds = clock.medians(
        {
            "geometry calls": DenoiserCalls(shape, geometry.views),
            "texture calls": DenoiserCalls(albedo, texture.views),
            "extracted": GeometryStep(subject, geometry, shape, wrapped=False),
            "wrapped": GeometryStep(subject, geometry, shape, wrapped=True),
            "coarse": GeometryStep(subject, geometry, shape, wrapped=False, coarse=True),
            "diffuse": TextureStep(subject, texture, albedo, albedo_only=True),
            "material": TextureStep(subject, texture, albedo, albedo_only=False),
        },
        repetitions,
    )
    share = {
        "geometry": (("extracted", geometry.wrap_from), ("wrapped", 1 - geometry.wrap_from)),
        "texture": (("diffuse", texture.diffuse_share), ("material", 1 - texture.diffuse_share)),
    }
    steps = {"geometry": geometry.iterations, "texture": texture.iterations}
    for stage, kinds in share.items():
        calls = seconds[f"{stage} calls"]
        mean = sum(seconds[kind] * part for kind, part in kinds)
        name = f"{stage} step / its denoiser calls"
        yield Row(f"{name}, mean of a draft", mean, calls, goal=1.5, limit=2.5)
        for kind, _ in kinds:
            yield Row(f"{name}, {kind}", seconds[kind], calls)
        print(f"The draft's {steps[stage]} {stage} steps take {steps[stage] * mean:.0f} s.")
    yield Row("geometry step / its denoiser calls, extracted, small pictures",
              seconds["coarse"], seconds["geometry calls"])  # fmt: skip


def over_one_expression(prior: Path, clock: Clock, repetitions: int) -> Iterator[Row]:
    """A geometry step for a head with 13 expressions over one with the neutral face alone.

    A step shows as many expressions as it has views; all of them pass the transformer.
    """
    tasks: dict[str, Task] = {}
    for count in (1, MANY_EXPRESSIONS):
        subject = Subject(prior, count, clock.device)
        guide = subject.guide("geometry")
        for wrapped in (False, True):
            step = GeometryStep(subject, DRAFT.geometry, guide, wrapped)
            tasks[f"{count} {wrapped}"] = step
            if wrapped:
                tasks[f"{count} all"] = step.all_expressions
    seconds = clock.medians(tasks, repetitions)
    name = f"{MANY_EXPRESSIONS} expressions / 1"
    for kind, label in ((False, "extracted"), (True, "wrapped")):
        many, one = seconds[f"{MANY_EXPRESSIONS} {kind}"], seconds[f"1 {kind}"]
        yield Row(f"{name}, geometry step, {label}", many, one, goal=3)
    many, one = seconds[f"{MANY_EXPRESSIONS} all"], seconds["1 all"]
    yield Row(f"{name}, surfaces of all at once", many, one)


def over_coarse_lattice(subject: Subject, clock: Clock, repetitions: int) -> Iterator[Row]:
    """An extracted step at 128 cells over one at 64."""
    guide = subject.guide("geometry")
    steps = {
        cells: GeometryStep(
            subject, dataclasses.replace(DRAFT.geometry, lattice_resolution=cells), guide, False
        )
        for cells in (64, 128)
    }
    tasks: dict[str, Task] = {f"whole {cells}": step for cells, step in steps.items()}
    tasks |= {f"surface {cells}": step.surface_alone for cells, step in steps.items()}
    seconds = clock.medians(tasks, repetitions)
    for part, label in (("surface", "surface and its gradient"), ("whole", "whole geometry step")):
        fine, coarse = seconds[f"{part} 128"], seconds[f"{part} 64"]
        yield Row(f"lattice 128 / 64, {label}", fine, coarse, goal=4)

# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the algorithm: what its steps share, and a loop that can stop and go on."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from idto3d.allocator import keep_freed_memory
from idto3d.assets import PRIOR, TEMPLATE
from idto3d.errors import UserError
from idto3d.job.checkpoints import Checkpoints
from idto3d.job.protocol import Cancelled, JobFolder, Request
from idto3d.job.reporter import Reporter
from idto3d.prior.manifest import TINY, read_manifest
from idto3d.prior.memory import GIB, MemoryPlan, choose_plan, describe, leaner
from idto3d.prior.sizes import measure
from idto3d.settings import Settings, settings_for

PICTURE_SECONDS = 20.0  # between two pictures of the work in progress


@dataclass
class Run:
    """What the steps share: where the run writes, and how it remembers."""

    request: Request
    settings: Settings
    folder: JobFolder
    reporter: Reporter
    device: torch.device
    checkpoints: Checkpoints
    saved: dict[str, Any]  # the checkpoint that the run started from, {} for a fresh one
    timings: dict[str, float]
    # Steps of the stages that the person cut short with "stop and keep this".
    stopped_after: dict[str, int] = field(default_factory=dict)
    plan: MemoryPlan = MemoryPlan()  # how the prior is laid out in memory
    stepped_down: bool = False  # whether it ran out of memory once already

    @property
    def prior_folder(self) -> Path:
        return Path(self.request.prior) if self.request.prior else PRIOR

    def prior_for(self, domain: str) -> Path:
        """The folder that guides a domain: "photo" may have one of its own."""
        if domain == "photo" and self.request.photo_prior:
            return Path(self.request.photo_prior)
        return self.prior_folder

    @property
    def template_folder(self) -> Path:
        return Path(self.request.template) if self.request.template else TEMPLATE


def open_run(request: Request, folder: JobFolder, reporter: Reporter) -> Run:
    """Settings, device and newest checkpoint of a job. Raises UserError for a bad setting."""
    settings = settings_for(request.preset, request.overrides)
    device = torch.device(_device(request.device))
    if device.type == "cpu":
        torch.set_num_threads(min(torch.get_num_threads(), 8))
        keep_freed_memory()
    prior = Path(request.prior) if request.prior else PRIOR
    plan = plan_for(prior, settings, device, request.vram)
    checkpoints = Checkpoints(folder.checkpoint)
    saved = checkpoints.load() or {}
    timings = dict(saved.get("timings", {}))
    stopped_after = dict(saved.get("stopped_after", {}))
    return Run(
        request,
        settings,
        folder,
        reporter,
        device,
        checkpoints,
        saved,
        timings,
        stopped_after,
        plan,
    )


def plan_for(
    prior: Path, settings: Settings, device: torch.device, vram: float | None
) -> MemoryPlan:
    """The fastest plan that fits: into `vram` GiB, which torch is then held to, or what is free.

    Raises UserError when nothing fits, and for a limit on the CPU.
    """
    if device.type != "cuda":
        if vram is not None:
            raise UserError(
                "--vram limits a GPU's memory, and this run is on the CPU. Leave it out, or use "
                "--device cuda."
            )
        return MemoryPlan()
    free, total = torch.cuda.mem_get_info(device)
    limit = free
    if vram is not None:
        limit = min(free, int(vram * GIB))
        torch.cuda.set_per_process_memory_fraction(min(1.0, vram * GIB / total), device)
    views = max(settings.geometry.views, settings.texture.views)
    sizes = measure(prior, read_manifest(prior))
    return choose_plan(sizes, views, limit, MemoryPlan(half=settings.speed.half))


def number_format(run: Run) -> torch.dtype:
    """Of the prior's networks."""
    if not run.plan.half:
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def replays_denoiser(run: Run) -> bool:
    """Whether the denoiser is replayed from CUDA graphs: on a GPU that need not save memory, since
    graphs keep what a call of it takes to themselves.
    """
    fastest = MemoryPlan(half=run.settings.speed.half)
    spacious = run.request.vram is None and run.plan == fastest
    return run.device.type == "cuda" and run.settings.speed.graphs and spacious


def use_less_memory(run: Run) -> None:
    """After an out-of-memory error: the next leaner plan, once.

    Raises UserError the second time, and when there is no leaner plan.
    """
    has_tiny = (run.prior_folder / TINY).is_dir()
    views = max(run.settings.geometry.views, run.settings.texture.views)
    plan = None if run.stepped_down else leaner(run.plan, views, has_tiny)
    if plan is None:
        raise UserError(
            "The memory is full, although the networks are laid out as lean as they can be. "
            "Close other programs, take fewer views (--set geometry.views=1 --set "
            "texture.views=1), or run it with --device cpu."
        )
    run.plan, run.stepped_down = plan, True
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    run.reporter.warning(f"The memory was full. Going on slower: {describe(plan)}.")


class Loop:
    """Counts steps, reports them, says when a picture or a checkpoint is due; obeys the person."""

    def __init__(self, run: Run, stage: str, total: int, first: int) -> None:
        self.run, self.stage, self.total, self.first = run, stage, total, first
        self._picture = -math.inf  # of the first step at once: what is being worked on

    def __iter__(self) -> Iterator[int]:
        self.run.reporter.stage(self.stage, self.total)
        before = self.run.timings.get(self.stage, 0.0)
        began = time.monotonic()
        for step in range(self.first, self.total):
            if self.run.folder.finish.exists():
                self.run.reporter.status(f"Keeping the {self.stage} of step {step}, as asked")
                self.run.stopped_after[self.stage] = step
                return
            yield step
            self.run.timings[self.stage] = before + time.monotonic() - began

    def report(self, step: int, **metrics: Tensor) -> None:
        self.run.reporter.step(
            step + 1, **{name: float(value.detach()) for name, value in metrics.items()}
        )

    def picture_due(self) -> bool:
        due = time.monotonic() - self._picture > PICTURE_SECONDS
        if due:
            self._picture = time.monotonic()
        return due

    def checkpoint_if_due(
        self, step: int, modules: dict[str, Any], generator: torch.Generator, **more: Any
    ) -> None:
        """Save when it is time, or when the person asked to stop; raises Cancelled then."""
        stop = self.run.reporter.should_stop()
        if stop or self.run.checkpoints.due():
            self.run.checkpoints.save(
                {
                    "stage": self.stage,
                    "step": step + 1,
                    "generator": generator.get_state(),
                    "timings": self.run.timings,
                    **{name: module.state_dict() for name, module in modules.items()},
                    **more,
                }
            )
        if stop:
            raise Cancelled


def restore(run: Run, stage: str, modules: dict[str, Any], generator: torch.Generator) -> int:
    """Load this stage's part of the checkpoint; returns the first step that is still to do."""
    if run.saved.get("stage") != stage:
        return 0
    for name, module in modules.items():
        module.load_state_dict(run.saved[name])
    generator.set_state(run.saved["generator"])
    return int(run.saved["step"])


def _device(asked: str) -> str:
    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"

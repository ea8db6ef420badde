# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring tasks against one another on a machine that may have other work to do."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Task = Callable[[], object]


@dataclass(frozen=True)
class Clock:
    """Seconds of a task on one device."""

    device: torch.device
    threads: int

    @property
    def name(self) -> str:
        return "CPU seconds of one thread" if self._counts_cpu_time else "elapsed seconds"

    @property
    def _counts_cpu_time(self) -> bool:
        # With one thread they are what a quiet machine's wall clock would show, and they don't
        # grow when another process has the core. With several, threads that wait would count.
        return self.device.type == "cpu" and self.threads == 1

    def seconds(self, task: Task) -> float:
        """How long one call takes, work that it left queued on a GPU included."""
        now = time.process_time if self._counts_cpu_time else time.perf_counter
        self._finish()
        began = now()
        task()
        self._finish()
        return now() - began

    def medians(self, tasks: Mapping[str, Task], repetitions: int, warm_up: int = 2) -> dict:
        """Median seconds of each task, by name.

        The tasks take turns, so that a slow minute of the machine falls on all of them. The first
        `warm_up` rounds don't count: kernels are compiled and caches filled in them.
        """
        rounds: dict[str, list[float]] = {name: [] for name in tasks}
        for turn in range(warm_up + repetitions):
            for name, task in tasks.items():
                seconds = self.seconds(task)
                if turn >= warm_up:
                    rounds[name].append(seconds)
        return {name: statistics.median(values) for name, values in rounds.items()}

    def _finish(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

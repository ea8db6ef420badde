# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop that every training stage shares: budget, progress, log, checkpoints, signals."""

import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator

from idto3d.errors import UserError
from idto3d.training.checkpoint import Counters
from idto3d.training.settings import RunSettings


def choose_precision(requested: str, device: torch.device) -> str:
    """Accelerate's name for the arithmetic: "no" (float32), "bf16" or "fp16".

    `auto` takes bf16 where the hardware multiplies it: a CPU without AVX-512 BF16 or AMX emulates
    it, more than ten times slower than float32. Raises UserError for an unknown name.
    """
    names = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
    if requested in names:
        return names[requested]
    if requested != "auto":
        raise UserError(f"Unknown precision {requested!r}. Use auto, fp32, bf16 or fp16.")
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    fast = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return "bf16" if fast else "no"


def make_accelerator(settings: RunSettings) -> Accelerator:
    """Accelerate in the chosen precision, on whatever devices it was launched with."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Accelerator(mixed_precision=choose_precision(settings.precision, device))


def progress_of(settings: RunSettings, counters: Counters, elapsed: float) -> float:
    """Share of the budget that is spent, 0 to 1; the first limit reached counts."""
    shares = [0.0]
    if settings.minutes is not None:
        shares.append(elapsed / max(settings.minutes * 60, 1e-9))
    if settings.samples is not None:
        shares.append(counters.samples / max(settings.samples, 1))
    return min(1.0, max(shares))


def learning_rate_at(settings: RunSettings, step: int, progress: float) -> float:
    """Linear warm-up over steps, then a cosine over the budget to `final_learning_rate`."""
    warm = min(1.0, (step + 1) / max(settings.warmup_steps, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    floor = settings.final_learning_rate
    return settings.learning_rate * warm * (floor + (1 - floor) * cosine)


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block Ctrl-C and SIGTERM only set a flag, which the yielded function reads."""
    asked: list[int] = []
    previous = {
        number: signal.signal(number, lambda received, _: asked.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def train_loop(
    accelerator: Accelerator,
    settings: RunSettings,
    folder: Path,
    stage: str,
    counters: Counters,
    optimizer: torch.optim.Optimizer,
    step: Callable[[], tuple[dict[str, torch.Tensor], int]],
    save: Callable[[], None],
    sheet: Callable[[], bool],
) -> None:
    """Run `step` until the budget is spent, `sheet` says so or the process is asked to stop.

    `step` does one optimisation step and returns its losses (0-d, detached) and how many samples
    it took over all processes. `save` and `sheet` are called on the main process, at intervals and
    once at the end; the other processes wait. `sheet` returns True to end the training early.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start, before = time.monotonic(), counters.seconds
    last_log = last_save = last_sheet = start
    sums: dict[str, torch.Tensor] = {}
    steps_since, samples_since, enough = 0, 0, False
    with stop_requests() as asked_to_stop:
        while True:
            elapsed = time.monotonic() - start
            progress = progress_of(settings, counters, elapsed)
            # Clocks and signals differ between processes: stop together, or the rest would hang.
            ends = progress >= 1 or enough or asked_to_stop()
            stop = torch.tensor(float(ends), device=accelerator.device)
            if float(accelerator.reduce(stop, reduction="sum")) > 0:
                break
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(settings, counters.step, progress)
            losses, count = step()
            counters.step += 1
            counters.samples += count
            counters.seconds = before + time.monotonic() - start
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value.clone()
            steps_since, samples_since = steps_since + 1, samples_since + count
            now = time.monotonic()
            if not accelerator.is_main_process:
                continue
            if now - last_log >= settings.log_seconds:
                means = {name: float(value) / steps_since for name, value in sums.items()}
                rate = samples_since / (now - last_log)
                _report(folder, stage, settings, counters, means, rate, now - start)
                sums, steps_since, samples_since, last_log = {}, 0, 0, now
            if now - last_save >= settings.checkpoint_minutes * 60:
                save()
                last_save = time.monotonic()
            if now - last_sheet >= settings.sheet_minutes * 60:
                enough = sheet()
                last_sheet = time.monotonic()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if steps_since:
            means = {name: float(value) / steps_since for name, value in sums.items()}
            now = time.monotonic()
            rate = samples_since / max(now - last_log, 1e-9)
            _report(folder, stage, settings, counters, means, rate, now - start)
        save()
        sheet()
    accelerator.wait_for_everyone()


def _report(
    folder: Path,
    stage: str,
    settings: RunSettings,
    counters: Counters,
    losses: dict[str, float],
    rate: float,
    elapsed: float,
) -> None:
    """One line to the terminal, one to log.jsonl."""
    progress = progress_of(settings, counters, elapsed)
    spent = settings.minutes is not None and settings.samples is None
    remaining = (settings.minutes or 0) * 60 - elapsed
    if not spent:
        remaining = ((settings.samples or 0) - counters.samples) / max(rate, 1e-9)
    words = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
    print(
        f"{stage}: {100 * progress:5.1f} %  step {counters.step}  "
        f"{counters.samples} samples  {rate:.1f}/s  {words}  ETA {max(remaining, 0) / 60:.1f} min",
        flush=True,
    )
    record = {"stage": stage, "step": counters.step, "samples": counters.samples}
    line = {**record, "seconds": round(counters.seconds, 1), "rate": round(rate, 2), **losses}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    sys.stdout.flush()

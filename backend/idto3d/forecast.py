# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d estimate`: how long a head will take on this machine, and how much memory.

Only measurements of this machine count: the event logs of earlier jobs, finished or not, or of a
short trial. Each answer says what it rests on, and without any there is no answer. No torch.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d.job.eventlog import EventReader
from idto3d.job.protocol import Done, JobFolder, Message, Progress, Request, Started, Used
from idto3d.settings import PRESETS, Settings, settings_for

OPTIMISED = ("geometry", "texture")
# The steps of a trial in each stage; the first of a stage doesn't count, as kernels are compiled.
TRIAL_STEPS = 5
TRIAL_FOLDER = ".trial"
# How many earlier jobs, those with the nearest number of expressions first, make the median.
NEAREST_JOBS = 5
# The range shown around the most likely time, as factors: the machine's other work comes and goes,
# and scaling from other settings is rough.
SPREAD_MEASURED, SPREAD_SCALED = 1.3, 2.5


@dataclass(frozen=True)
class PastJob:
    """What the log of one job on this machine tells."""

    request: Request
    settings: Settings
    pace: dict[str, float]  # seconds a step of each optimised stage that was seen
    rest: float | None  # seconds outside of those stages; None unless it ran through at one go
    memory: int  # bytes at most; 0 unknown
    gpu_memory: int  # bytes at most; 0 unknown or no GPU
    disk: int  # bytes of the job's folder


@dataclass(frozen=True)
class Forecast:
    """What a job is expected to take; None where nothing is known."""

    basis: str  # "measured": same settings; "scaled": other settings; "unknown"
    explanation: str  # a sentence for the person
    jobs: int = 0  # how many earlier jobs it rests on
    seconds: float | None = None
    seconds_low: float | None = None
    seconds_high: float | None = None
    memory: int | None = None  # bytes
    gpu_memory: int | None = None  # bytes
    disk: int | None = None  # bytes


def read_job(folder: JobFolder) -> PastJob | None:
    """What the job's log tells about pace; None when it tells nothing."""
    try:
        request = folder.read_request()
        settings = settings_for(request.preset, request.overrides)
    except UserError:
        return None
    events = _events(folder)
    pace = {stage: _pace(events, stage) for stage in OPTIMISED}
    known = {stage: value for stage, value in pace.items() if value is not None}
    if not known:
        return None
    used = [message for _, message in events if isinstance(message, Used)]
    return PastJob(
        request,
        settings,
        known,
        _rest(events),
        max((message.memory for message in used), default=0),
        max((message.gpu_memory for message in used), default=0),
        sum(path.stat().st_size for path in folder.root.rglob("*") if path.is_file()),
    )


def read_jobs(jobs: Path) -> list[PastJob]:
    """Every job in the folder `jobs` that tells something."""
    folders = (JobFolder(path.parent) for path in jobs.glob("*/request.json"))
    return [job for folder in folders if (job := read_job(folder)) is not None]


def forecast(request: Request, past: Sequence[PastJob]) -> Forecast:
    """What `request` will take, from earlier jobs on the same kind of device."""
    wanted = settings_for(request.preset, request.overrides)
    whole = [
        job
        for job in past
        if job.request.device == request.device
        and job.rest is not None
        and set(job.pace) == set(OPTIMISED)
    ]
    whole.sort(key=lambda job: abs(len(job.request.expressions) - len(request.expressions)))
    same = [job for job in whole if _scale(job.settings, wanted) == (1.0, 1.0, 1.0)]
    if not whole:
        return Forecast(
            "unknown", "No head has been made on this machine yet, so the time is not known."
        )
    chosen = (same or whole)[:NEAREST_JOBS]
    seconds = statistics.median(_seconds(job, wanted) for job in chosen)
    spread = SPREAD_MEASURED if same else SPREAD_SCALED
    count = "one earlier job" if len(chosen) == 1 else f"{len(chosen)} earlier jobs"
    what = "Measured on" if same else "Roughly scaled from other presets of"
    return Forecast(
        "measured" if same else "scaled",
        f"{what} {count} on this machine.",
        len(chosen),
        seconds,
        seconds / spread,
        seconds * spread,
        max(job.memory for job in chosen) or None,
        max(job.gpu_memory for job in chosen) or None,
        int(statistics.median(job.disk for job in chosen)),
    )


def _seconds(job: PastJob, wanted: Settings) -> float:
    geometry, texture, rest = _scale(job.settings, wanted)
    return (
        wanted.geometry.iterations * job.pace["geometry"] * geometry
        + wanted.texture.iterations * job.pace["texture"] * texture
        + (job.rest or 0.0) * rest
    )


def _scale(measured: Settings, wanted: Settings) -> tuple[float, float, float]:
    """Factors of a geometry step, a texture step and the rest from one size to another.

    A step's cost grows with its pictures; half of a geometry step's follows the lattice's surface,
    the square of its resolution. The rest is baking: its cost follows the pixels of the maps.
    """
    lattice = (wanted.geometry.lattice_resolution / measured.geometry.lattice_resolution) ** 2
    return (
        wanted.geometry.views / measured.geometry.views * (1.0 + lattice) / 2.0,
        wanted.texture.views / measured.texture.views,
        (wanted.asset.texture_size / measured.asset.texture_size) ** 2,
    )


def _events(folder: JobFolder) -> list[tuple[float, Message]]:
    reader, events = EventReader(folder.events), []
    while not reader.at_end():
        events += reader.poll_timed()
    return events


def _pace(events: Sequence[tuple[float, Message]], stage: str) -> float | None:
    """Seconds a step between the stage's reports; the first step of each start is left out."""
    seconds, steps = 0.0, 0
    before: tuple[float, int] | None = None
    fresh = True
    for time, message in events:
        if isinstance(message, Started):
            before, fresh = None, True
        if not isinstance(message, Progress) or message.stage != stage:
            continue
        if before is not None and message.step > before[1]:
            if not fresh:
                seconds += time - before[0]
                steps += message.step - before[1]
            fresh = False
        before = (time, message.step)
    return seconds / steps if steps else None


def _rest(events: Sequence[tuple[float, Message]]) -> float | None:
    """Seconds from start to end outside of the optimised stages' steps."""
    starts = [time for time, message in events if isinstance(message, Started)]
    ends = [time for time, message in events if isinstance(message, Done)]
    if len(starts) != 1 or len(ends) != 1:
        return None
    inside = 0.0
    for stage in OPTIMISED:
        times = [t for t, m in events if isinstance(m, Progress) and m.stage == stage]
        inside += max(times) - min(times) if times else 0.0
    return ends[0] - starts[0] - inside


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d estimate`."""
    parser.add_argument("--preset", choices=tuple(PRESETS), default="draft")
    parser.add_argument("--expressions", type=int, default=0, metavar="N", help="how many")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--jobs", type=Path, required=True, metavar="DIR", help="the folder of earlier jobs"
    )
    parser.add_argument(
        "--measure",
        type=Path,
        metavar="PHOTO",
        help=f"first make a head of {TRIAL_STEPS} steps from this photo and learn from that",
    )
    parser.add_argument("--json", action="store_true", help="print the forecast as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the forecast."""
    request = Request(
        photos=("",),
        expressions=("",) * max(0, arguments.expressions),
        preset=arguments.preset,
        device=arguments.device,
    )
    if arguments.measure is not None:
        with redirect_stdout(sys.stderr):  # the libraries talk; the answer alone goes to stdout
            measure(arguments.measure, request, arguments.jobs / f"{TRIAL_FOLDER}-{request.preset}")
    answer = forecast(request, read_jobs(arguments.jobs))
    free = _free(arguments.jobs)
    if arguments.json:
        print(json.dumps({"version": 1, **asdict(answer), **free}, indent=2))
    else:
        print(as_text(answer))
    return 0


def as_text(answer: Forecast) -> str:
    """The forecast in a sentence or two."""
    from idto3d.job.terminal import duration

    if answer.seconds is None:
        return answer.explanation
    assert answer.seconds_low is not None and answer.seconds_high is not None
    time = f"{duration(answer.seconds_low)} to {duration(answer.seconds_high)}"
    memory = f", {answer.memory / 2**30:.1f} GiB of memory" if answer.memory else ""
    return f"{time}{memory}. {answer.explanation}"


def measure(photo: Path, request: Request, root: Path) -> None:
    """Run a trial of a few steps with the preset's sizes, in a folder that replaces the last one.

    Raises UserError as a job does.
    """
    from idto3d.assets import expression_names
    from idto3d.generate import generate
    from idto3d.job import worker

    if root.exists():
        shutil.rmtree(root)
    names = [name for name in expression_names() if name != "neutral"]
    trial = Request(
        photos=(str(photo.absolute()),),
        expressions=tuple(names[: len(request.expressions)]),
        name="trial",
        preset=request.preset,
        device=request.device,
        overrides={f"{stage}.iterations": TRIAL_STEPS for stage in OPTIMISED},
    )
    folder = JobFolder(root)
    folder.write_request(trial)
    worker.run(folder, generate)


def _free(jobs: Path) -> dict[str, Any]:
    """Free memory and disk of this machine in bytes."""
    import psutil

    existing = next(path for path in (jobs, *jobs.absolute().parents) if path.exists())
    return {
        "free_memory": psutil.virtual_memory().available,
        "free_disk": shutil.disk_usage(existing).free,
    }

# SPDX-License-Identifier: GPL-3.0-or-later
"""On a machine with CUDA, all of it in one command: `python -m benchmarks.gpu`.

1. the tests that need a GPU (`tests/gpu`);
2. a step over the bare compiled denoiser pair, at 512 pixels and lattice 256;
3. the denoiser pair and a step with CUDA graphs over the same without, with this prior and with
   the compact one;
4. whole heads at the paper's counts: time and peak memory, without a limit and with --vram 8;
5. our rasterizer and hash grid against nvdiffrast and tinycudann, where these are installed;
6. how near the small encoder's gradient is to the full one's, with a --prior that has both.

The prior has random weights of the true size unless --prior names one. Without CUDA: one sentence
and exit code 2. The exit code is 1 when a bar is missed or a test fails.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import kernels
from benchmarks.clock import Clock, Task
from benchmarks.compact import prior_folder
from benchmarks.full_size import write_full_size_prior
from benchmarks.steps import DenoiserCalls, GeometryStep, Subject, TextureStep
from benchmarks.table import Row, format_table
from idto3d.assets import ASSETS, expression_names
from idto3d.job.eventlog import EventReader
from idto3d.job.protocol import Done, JobFolder, Started, Used
from idto3d.prior.load import load_prior
from idto3d.prior.manifest import TINY
from idto3d.prior.memory import GIB, MemoryPlan
from idto3d.prior.tiny_encoder import gradient_agreement
from idto3d.render.cameras import orbit
from idto3d.render.normals import camera_normals_image
from idto3d.settings import PRESETS, Settings

REPOSITORY = Path(__file__).resolve().parents[1]
STEP_GOAL = 1.3  # over the denoiser pair
NEUTRAL_SECONDS, EXPRESSIONS_SECONDS = 240.0, 1200.0  # a head; 13 expressions
EXPRESSIONS = 13
MISSED = "missed"


@dataclass(frozen=True)
class HeadMeasure:
    """What the log of one finished job tells."""

    seconds: float  # from the worker's start to its end
    gpu_bytes: int  # the most that torch held


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--prior", type=Path, help="a full prior in place of random weights")
    parser.add_argument("--vram", type=float, default=8.0, help="GiB of the limited run")
    parser.add_argument("--repetitions", type=int, default=9, help="rounds of each measurement")
    parser.add_argument("--no-heads", action="store_true", help="leave out the whole heads")
    parser.add_argument("--no-compile", action="store_true", help="don't compile the denoiser")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Check and measure; 0 = everything met, 1 = something missed, 2 = no CUDA."""
    options = build_parser().parse_args(argv)
    if not torch.cuda.is_available():
        print("This machine has no GPU that torch can use (CUDA), so nothing was measured.")
        return 2
    device = torch.device("cuda")
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    passed = run_tests()
    with tempfile.TemporaryDirectory() as scratch:
        prior = options.prior or Path(scratch) / "prior"
        if options.prior is None:
            print("Prior: random weights of Stable Diffusion 1.5's size; its heads mean nothing.")
            write_full_size_prior(prior)
        clock = Clock(device, torch.get_num_threads())
        how = (not options.no_compile, options.repetitions)
        rows = list(step_rows(prior, clock, PRESETS["paper"], EXPRESSIONS, *how))
        rows += graph_rows(prior, clock, "paper", PRESETS["paper"], *how)
        rows += graph_rows(prior_folder()[0], clock, "draft", PRESETS["draft"], *how)
        rows += kernels.nvdiffrast_rows(Subject(prior, 1, device), clock, options.repetitions)
        rows += kernels.tinycudann_rows(clock, options.repetitions)
        missing = [n for n in ("nvdiffrast", "tinycudann") if not importlib.util.find_spec(n)]
        for name in missing:
            print(f"{name} is not installed: nothing to compare our kernel with.")
        memory: list[str] = []
        if options.prior is not None and (prior / TINY).is_dir():
            memory.append(
                f"small encoder's gradient, cosine to the full one's: "
                f"{encoder_agreement(prior, device):.3f}"
            )
        if not options.no_heads:
            head_rows, lines = measure_heads(prior, Path(scratch), options.vram, run_head)
            rows += head_rows
            memory += lines
    print()
    print(format_table(rows))
    print("\n".join(memory))
    missed = any(row.verdict == MISSED for row in rows) or any(MISSED in line for line in memory)
    return int(missed or not passed)


def run_tests() -> bool:
    """Run tests/gpu; whether all passed."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/gpu"]
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0


def step_rows(
    prior: Path,
    clock: Clock,
    settings: Settings,
    expressions: int,
    compiled: bool,
    repetitions: int,
) -> Iterator[Row]:
    """Each kind of step over the bare denoiser pair that it contains, both compiled or neither."""
    subject = Subject(prior, expressions, clock.device)
    half = clock.device.type == "cuda" and settings.speed.half
    plan = MemoryPlan(half=half)
    shape, albedo = (subject.guide(domain, plan, compiled) for domain in ("geometry", "albedo"))
    geometry, texture = settings.geometry, settings.texture
    seconds = clock.medians(
        {
            "geometry calls": DenoiserCalls(shape, geometry.views),
            "texture calls": DenoiserCalls(albedo, texture.views),
            "geometry, extracted": GeometryStep(subject, geometry, shape, wrapped=False),
            "geometry, coarse": GeometryStep(subject, geometry, shape, wrapped=False, coarse=True),
            "texture, albedo": TextureStep(subject, texture, albedo, albedo_only=True),
            "texture, materials": TextureStep(subject, texture, albedo, albedo_only=False),
        },
        repetitions,
        warm_up=5,
    )
    calls = "compiled denoiser pair" if compiled else "denoiser pair"
    kinds = ("geometry, extracted", "geometry, coarse", "texture, albedo", "texture, materials")
    for name in kinds:
        against = seconds[f"{name.partition(',')[0]} calls"]
        yield Row(f"step / {calls}: {name}", seconds[name], against, goal=STEP_GOAL)


def graph_rows(
    prior: Path, clock: Clock, name: str, settings: Settings, compiled: bool, repetitions: int
) -> Iterator[Row]:
    """The denoiser pair and a geometry step, replayed from CUDA graphs over called each time.

    name: of the settings, for the table.
    """
    half = clock.device.type == "cuda" and settings.speed.half
    plan = MemoryPlan(half=half, tiny_encoder=settings.speed.small_encoder)
    subject = Subject(prior, 1, clock.device)
    tasks: dict[str, Task] = {}
    for replayed in (True, False):
        guide = subject.guide("geometry", plan, compiled, replayed)
        tasks[f"denoiser pair, {replayed}"] = DenoiserCalls(guide, settings.geometry.views)
        tasks[f"geometry step, {replayed}"] = GeometryStep(
            subject, settings.geometry, guide, wrapped=True
        )
    seconds = clock.medians(tasks, repetitions, warm_up=5)
    for kind in ("denoiser pair", "geometry step"):
        times = seconds[f"{kind}, True"], seconds[f"{kind}, False"]
        yield Row(f"{kind} of {name}, CUDA graphs / without", *times)


def encoder_agreement(prior: Path, device: torch.device) -> float:
    """Cosine of the small encoder's gradient to the full one's on a normal map and on its blur.

    The picture pulls towards its blurred self, as a step of distillation moves a picture a little.
    """
    subject = Subject(prior, 1, device)
    full = load_prior(prior, "geometry", device)
    small = load_prior(prior, "geometry", device, plan=MemoryPlan(tiny_encoder=True))
    vertices = (subject.canonical + subject.motions[0])[None]
    size = full.manifest.image_size
    picture, _ = camera_normals_image(vertices, subject.faces, orbit(20.0, 0.0).to(device), size)
    images = picture.movedim(-1, 1)
    blurred = torch.nn.functional.avg_pool2d(images, 9, stride=1, padding=4)
    with torch.no_grad():
        target = full.encode(blurred)
    return gradient_agreement(small.encode, full.encode, images, target)


def measure_heads(
    prior: Path,
    scratch: Path,
    vram: float,
    make: Callable[[Path, Path, Sequence[str], float | None], HeadMeasure],
) -> tuple[list[Row], list[str]]:
    """A neutral head, one with 13 expressions, and a neutral one within `vram` GiB.

    make: as `run_head`. Returns rows for the table and lines on memory.
    """
    names = expression_names()[1:EXPRESSIONS]
    free = make(prior, scratch / "neutral", (), None)
    many = make(prior, scratch / "expressions", names, None)
    small = make(prior, scratch / "limited", (), vram)
    rows = [
        Row("neutral head / 4 minutes", free.seconds, NEUTRAL_SECONDS, goal=1.0),
        Row(f"{EXPRESSIONS} expressions / 20 minutes", many.seconds, EXPRESSIONS_SECONDS, goal=1.0),
        Row(f"neutral head, --vram {vram:g} / without", small.seconds, free.seconds),
    ]
    verdict = "met" if small.gpu_bytes <= vram * GIB else MISSED
    return rows, [
        f"peak memory, neutral head: {free.gpu_bytes / GIB:.2f} GiB",
        f"peak memory, {EXPRESSIONS} expressions: {many.gpu_bytes / GIB:.2f} GiB",
        f"peak memory, --vram {vram:g}: {small.gpu_bytes / GIB:.2f} GiB, {verdict}",
    ]


def run_head(
    prior: Path, folder: Path, expressions: Sequence[str], vram: float | None
) -> HeadMeasure:
    """Make a head of the example person with the preset paper, in a process of its own.

    Raises RuntimeError when it doesn't come to its end.
    """
    photos = sorted(str(path) for path in (ASSETS / "example").glob("*.jpg"))
    command = [
        *(sys.executable, "-m", "idto3d.cli", "generate", *photos, "--output", str(folder)),
        *("--preset", "paper", "--device", "cuda", "--prior", str(prior), "--quiet"),
        *("--expressions", ",".join(expressions)),
        *(("--vram", f"{vram:g}") if vram is not None else ()),
    ]
    subprocess.run(command, check=False)
    return read_measure(JobFolder(folder))


def read_measure(folder: JobFolder) -> HeadMeasure:
    """Time and memory of a finished job from its log. Raises RuntimeError for another one."""
    reader, began, measured, used = EventReader(folder.events), None, None, 0
    while not reader.at_end():
        for moment, message in reader.poll_timed():
            if isinstance(message, Started):
                began = moment
            elif isinstance(message, Used):
                used = message.gpu_memory
            elif isinstance(message, Done) and began is not None:
                measured = HeadMeasure(moment - began, used)
    if measured is None:
        raise RuntimeError(f"The head in {folder.root} was not finished; see {folder.log}")
    return measured


if __name__ == "__main__":
    sys.exit(main())

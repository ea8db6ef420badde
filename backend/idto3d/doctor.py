# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines this machine: each check says what was found and, where it is bad, what to do.

The report is meant to be pasted into a bug report: it holds no user name and no home folder.
"""

import getpass
import importlib.metadata
import json
import os
import platform
import re
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from idto3d import __version__
from idto3d.assets import PRIOR
from idto3d.errors import UserError
from idto3d.job.preflight import check_prior
from idto3d.prior.manifest import read_manifest

GIB = 1024**3
# What a draft head on the CPU needs; a GPU preset's need for memory is on the GPU.
NEEDED_MEMORY_GIB = 4.0
NEEDED_DISK_GIB = 1.0


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    state: Literal["ok", "warn", "fail"]  # warn: works, but less well; fail: no head can be made
    found: str  # the evidence
    remedy: str = ""  # what to do; "" when the state is ok
    repair: bool = False  # installing the packages again mends it
    for_developers: bool = False  # no head needs it


def examine(prior: Path = PRIOR, work: Path = Path(".")) -> list[Check]:
    """Check everything; takes a few seconds, because torch is loaded.

    Args:
        prior: folder of the diffusion prior.
        work: folder on the disk where heads will be made.
    """
    checks: tuple[Callable[[], Check], ...] = (
        check_python,
        check_torch,
        check_device,
        check_threads,
        check_memory,
        lambda: check_disk(work),
        lambda: check_prior_folder(prior),
        check_encoder,
        check_kernels,
        check_validator,
        check_training,
        lambda: check_licences(prior),
    )
    return [check() for check in checks]


def check_python() -> Check:
    """Python 3.11 or later, 64 bit."""
    bits = struct.calcsize("P") * 8
    found = f"{platform.python_version()}, {bits} bit, {platform.system()} {platform.machine()}"
    if sys.version_info < (3, 11) or bits < 64:
        return Check("Python", "fail", found, "Install a 64-bit Python 3.11 or later.")
    return Check("Python", "ok", found)


def check_torch() -> Check:
    """torch loads."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", "fail", f"can't be loaded: {error}", "Run 'make setup' again.", True)
    return Check("torch", "ok", torch.__version__)


def check_device() -> Check:
    """A GPU that torch can use, or the reason why not."""
    try:
        import torch
    except (ImportError, OSError):
        return Check("device", "fail", "unknown without torch", "Repair torch first.", True)
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Check("device", "ok", f"{properties.name}, {properties.total_memory / GIB:.0f} GiB")
    if shutil.which("nvidia-smi") is None:
        return Check("device", "ok", "CPU (no NVIDIA GPU on this machine)")
    if torch.version.cuda is None:
        remedy = "Remove the environment (make clean) and run 'make setup' again."
        return Check("device", "warn", "CPU: there is a GPU, but torch has no CUDA", remedy, True)
    remedy = "Check the driver with nvidia-smi."
    return Check("device", "warn", "CPU: torch has CUDA but finds no GPU", remedy)


def check_threads() -> Check:
    """How many processors this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"{count} of {os.cpu_count()}"
    if (count or 1) < 2:
        return Check("processors", "warn", found, "Two or more make it about twice as fast.")
    return Check("processors", "ok", found)


def check_memory() -> Check:
    """Free memory against the need of a draft head."""
    try:
        import psutil
    except ImportError:
        return Check("memory", "warn", "unknown without psutil", "Run 'make setup' again.", True)
    memory = psutil.virtual_memory()
    found = f"{memory.available / GIB:.1f} GiB free of {memory.total / GIB:.1f}"
    if memory.available < NEEDED_MEMORY_GIB * GIB:
        return Check("memory", "warn", found, f"Free {NEEDED_MEMORY_GIB:.0f} GiB.")
    return Check("memory", "ok", found)


def check_disk(work: Path) -> Check:
    """Free disk where heads are made; the folder itself may be yet to make."""
    there = next(path for path in (work.absolute(), *work.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / GIB:.1f} GiB free"
    if free < NEEDED_DISK_GIB * GIB:
        return Check("disk", "fail", found, f"Free {NEEDED_DISK_GIB:.0f} GiB.")
    return Check("disk", "ok", found)


def check_prior_folder(prior: Path) -> Check:
    """The prior is there, whole and unchanged."""
    try:
        check_prior(prior)
    except UserError as error:
        # Where it lies is nobody's business but the person's.
        found, _, remedy = str(error).replace(str(prior), "PRIOR").partition(". ")
        return Check("prior", "fail", found, remedy)
    manifest = read_manifest(prior)
    size = sum((prior / name).stat().st_size for name in manifest.files)
    found = f"{manifest.name}, {len(manifest.files)} files, {size / 1e6:.0f} MB, all intact"
    return Check("prior", "ok", found)


def check_encoder() -> Check:
    """The face recogniser of the compact prior, and whether the other's runtime is there."""
    missing = [name for name in ("dlib", "face_recognition_models") if find_spec(name) is None]
    other = "onnxruntime for insightface models " + (
        "is there" if find_spec("onnxruntime") else "is not installed (optional)"
    )
    if missing:
        found = f"{' and '.join(missing)} missing; {other}"
        return Check("face encoder", "fail", found, "Run 'make setup' again.", True)
    return Check("face encoder", "ok", f"dlib {_version('dlib-bin')}; {other}")


def check_kernels() -> Check:
    """Warp, which compiles the rasterizer and the hash grid."""
    if find_spec("warp") is None:
        return Check("kernels", "fail", "warp-lang is missing", "Run 'make setup' again.", True)
    extra = [name for name in ("nvdiffrast", "tinycudann") if find_spec(name) is not None]
    return Check("kernels", "ok", " and ".join([f"warp {_version('warp-lang')}", *extra]))


def check_validator() -> Check:
    """Node for the glTF validator: optional."""
    if shutil.which("node") is None:
        remedy = "Install Node.js if you want the tests to validate glTF files."
        found = "no Node.js (optional)"
        return Check("glTF validator", "warn", found, remedy, for_developers=True)
    return Check("glTF validator", "ok", "Node.js is there", for_developers=True)


def check_training() -> Check:
    """What rendering a training set needs: optional."""
    missing = [name for name in ("anny", "trimesh") if find_spec(name) is None]
    if missing:
        remedy = "Run 'pip install -e .[train]' in the environment if you want to train a prior."
        found = f"{' and '.join(missing)} missing (optional)"
        return Check("training", "warn", found, remedy, for_developers=True)
    return Check("training", "ok", f"anny {_version('anny')}", for_developers=True)


def check_licences(prior: Path) -> Check:
    """What the parts at hand allow."""
    try:
        manifest = read_manifest(prior)
    except UserError:
        return Check("licences", "warn", "unknown without a prior", "Repair the prior first.")
    found = f"idto3d {__version__}: GPL-3.0-or-later; prior: {manifest.licence}"
    if manifest.identity_encoder == "insightface":
        found = f"{found}; insightface models: non-commercial research"
        remedy = "Ask insightface for a licence before commercial use."
        return Check("licences", "warn", found, remedy)
    return Check("licences", "ok", found)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def as_text(checks: list[Check]) -> str:
    """The report for a person: a line a check, its remedy below."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state:<4}  {check.name:<{width}}  {redact(check.found)}")
        if check.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  -> {redact(check.remedy)}")
    return "\n".join(lines)


def as_json(checks: list[Check]) -> str:
    """The report for a program."""
    report = {
        "version": 1,
        "program": __version__,
        "checks": [
            {**asdict(check), "found": redact(check.found), "remedy": redact(check.remedy)}
            for check in checks
        ],
    }
    return json.dumps(report, indent=2)


def redact(text: str) -> str:
    """`text` with the home folder as `~` and the user's name, as a part of a path, as `user`."""
    home = str(Path.home())
    if len(home) > 1:
        text = text.replace(home, "~")
    return re.sub(rf"(?<=[/\\]){re.escape(getpass.getuser())}(?=[/\\\s]|$)", "user", text)

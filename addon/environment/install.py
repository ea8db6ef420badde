# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, resume and repair: one sequence of steps, each of which skips what is done already.

So a broken installation is gone on with by running it again, and a repair is the same again with
every file compared.
"""

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from . import interpreter, verify, wheels
from .layout import Layout, Record, check_new, link_backend, locked, write_record, write_whole
from .messages import SetupError, Voice
from .packages import (
    Locked,
    Variant,
    check_torch,
    check_variant,
    choose_variant,
    explain_pip,
    read_locked,
    torch_attempts,
)
from .run_program import ProgramFailed, run_program
from .wheels import Wheel

# Shares of the bar. Downloading is nearly all of it on an ordinary line.
RESOLVED, FETCHED, INSTALLED = 0.05, 0.75, 0.95
# Packages that pip installs in one go: few, so that a cancelled installation loses little.
BATCH = 6
GIB = 1024**3


@dataclass(frozen=True)
class Order:
    """What is to be installed where."""

    root: Path  # the environment's folder
    sources: Path  # the add-on's folder
    python: Path  # to make the environment from
    variant: str = "auto"  # of torch
    index: str = ""  # address of a package index; "" = pip's own setting
    bundle: Path | None = None  # folder of wheels to take instead of an index
    keep_wheels: bool = False  # leave the downloaded files in the folder
    repair: bool = False  # compare every installed file
    online: bool = True  # an index may be asked


def install(order: Order, voice: Voice) -> Record:
    """Do what is missing; returns the finished record.

    Raises:
        SetupError: it can't be done; what is done stays for the next time.
        Cancelled: the person asked to stop; likewise.
    """
    variant = choose_variant(order.variant)
    check_variant(variant)
    packages = read_locked(order.sources)
    check_bundle(order.bundle)
    if not order.repair:
        check_online(order)
    check_new(order.root)
    layout = Layout(order.root)
    with locked(order.root):
        check_room(order.root, variant, bool(order.bundle))
        record = Record(False, variant.name, str(order.python), packages.key)
        write_record(order.root, record)
        interpreter.make_environment(layout, order.python, voice)
        pip = interpreter.pip_command(layout, order.python, voice, order.bundle)
        plan = make_plan(order, layout, pip, packages, variant, voice)
        voice.check()
        missing = find_missing(layout, pip, plan, order.repair, voice)
        files = fetch_all(missing, layout, pip, order, voice)
        install_files(layout, pip, files, voice)
        link_backend(layout, order.sources)
        voice.progress(INSTALLED, "Starting the backend once")
        start_once(layout, voice)
        torch = next((item.version for item in plan if item.name == "torch"), "")
        record = replace(record, complete=True, torch=torch)
        write_record(order.root, record)
        if not order.keep_wheels:
            shutil.rmtree(layout.wheels, ignore_errors=True)
        voice.progress(1.0, "")
    return record


def check_bundle(bundle: Path | None) -> None:
    """Raise SetupError when the bundle is no folder of wheels, or one of them is damaged."""
    if bundle is None:
        return
    if not bundle.is_dir() or not any(bundle.glob("*.whl")):
        raise SetupError(
            f"{bundle} holds no packages (*.whl).", "Choose the folder of an offline bundle."
        )
    try:
        lines = (bundle / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # a folder that somebody filled by hand
    for line in lines:
        digest, _, name = line.partition("  ")
        path = bundle / Path(name).name
        if not path.is_file() or wheels.sha256(path) != digest:
            raise SetupError(
                f"{path.name} of the bundle is missing or damaged.", "Copy the bundle again."
            )


def check_room(root: Path, variant: Variant, offline: bool) -> None:
    """Raise SetupError when the disk is too small for an environment that is made anew."""
    if Layout(root).venv.exists():
        return
    need = variant.need_gib * (0.6 if offline else 1.0)
    free = shutil.disk_usage(root).free / GIB
    if free < need:
        raise SetupError(
            f"The disk of {root} has {free:.1f} GiB free, the environment needs {need:.0f}.",
            "Make room, or choose another folder.",
        )


def make_plan(
    order: Order,
    layout: Layout,
    pip: list[str],
    packages: Locked,
    variant: Variant,
    voice: Voice,
) -> tuple[Wheel, ...]:
    """The exact wheels, from the plan of an earlier start or from pip.

    Raises:
        SetupError: they can't all be found.
    """
    # A bundle is not in the key: what it installed may be repaired from an index.
    wish = repr((packages.key, variant.name, order.index, interpreter.ask(layout.python)))
    key = hashlib.sha256(wish.encode()).hexdigest()[:16]
    known = wheels.read_plan(layout.plan, key)
    if known is not None and (bundle_has(order.bundle, known) or order.bundle is None):
        return known
    check_online(order)
    voice.status("Looking up the packages")
    voice.progress(0.0, "Looking up the packages")
    report = layout.root / "report.json"
    offline = order.bundle is not None
    source = source_words(order)
    if not offline:
        interpreter.renew_pip(layout, pip, source, voice)
    attempts = torch_attempts(variant, offline)
    for number, torch in enumerate(attempts, 1):
        command = [
            *pip,
            "install",
            "--dry-run",
            "--ignore-installed",
            "--quiet",
            *("--report", str(report)),
            *("--only-binary", ":all:"),
            *("--retries", "2", "--timeout", "20"),
            *("--constraint", str(packages.constraints)),
            *source,
            *torch,
            *packages.requirements,
        ]
        try:
            run_program(command, voice, interpreter.quiet_environment(offline))
            break
        except ProgramFailed as error:
            only_torch = any("torch" in line for line in error.lines[-3:])
            if number == len(attempts) or not only_torch:
                raise explain_pip(error.lines, offline) from error
    plan = wheels.read_report(report.read_text(encoding="utf-8"))
    report.unlink()
    check_torch(variant, next(item.version for item in plan if item.name == "torch"))
    wheels.write_plan(layout.plan, key, plan)
    return plan


def bundle_has(bundle: Path | None, plan: Sequence[Wheel]) -> bool:
    """True when the bundle holds every wheel of the plan."""
    return bundle is not None and all((bundle / wheel.filename).is_file() for wheel in plan)


def check_online(order: Order) -> None:
    """Raise SetupError when packages are needed and the person does not allow to get them."""
    if not order.online and order.bundle is None:
        raise SetupError(
            "Packages are needed, and Blender's online access is off.",
            "Allow online access in Preferences > System > Network, or import an offline bundle.",
        )


def source_words(order: Order) -> tuple[str, ...]:
    """pip's options for where packages come from."""
    if order.bundle is not None:
        return ("--no-index", "--find-links", str(order.bundle))
    return ("--index-url", order.index) if order.index else ()


def find_missing(
    layout: Layout, pip: Sequence[str], plan: Sequence[Wheel], sums: bool, voice: Voice
) -> list[Wheel]:
    """The wheels that are not installed, or not whole; other versions of them are removed."""
    voice.status("Comparing the installed files" if sums else "Looking what is installed")
    found = verify.examine(layout.site_packages, voice, sums)
    missing = [
        wheel
        for wheel in plan
        if wheel.name not in found
        or found[wheel.name].version != wheel.version
        or not found[wheel.name].whole
    ]
    old = [
        wheel.name
        for wheel in missing
        if wheel.name in found and found[wheel.name].version != wheel.version
    ]
    if old:
        voice.log(f"Other versions are removed: {', '.join(old)}.")
        # A package without a list of its files can't be removed; it is written over.
        with suppress(ProgramFailed):
            run_program([*pip, "uninstall", "--yes", *old], voice, interpreter.quiet_environment())
    return missing


def fetch_all(
    missing: Sequence[Wheel], layout: Layout, pip: Sequence[str], order: Order, voice: Voice
) -> list[Path]:
    """Download what is missing; returns the files in the order of `missing`."""
    if order.bundle is not None:
        # They are on this machine; a path is as good as a copy.
        return [order.bundle / wheel.filename for wheel in missing]
    if not missing:
        return []
    if not all((layout.wheels / wheel.filename).is_file() for wheel in missing):
        check_online(order)
    voice.status(f"Downloading {len(missing)} packages")
    layout.wheels.mkdir(exist_ok=True)
    certificates = layout.site_packages / "pip" / "_vendor" / "certifi" / "cacert.pem"
    files = []
    for number, wheel in enumerate(missing):
        voice.check()

        def tell(have: int, total: int, number: int = number, wheel: Wheel = wheel) -> None:
            share = (number + (have / total if total else 0.0)) / len(missing)
            size = f"{have / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{have / 1e6:.0f} MB"
            voice.progress(
                RESOLVED + share * (FETCHED - RESOLVED), f"{wheel.name} {wheel.version}: {size}"
            )

        voice.log(f"{wheel.name} {wheel.version}")
        try:
            files.append(wheels.fetch(wheel, layout.wheels, voice, tell, certificates))
        except wheels.Refused as error:
            voice.log(f"{error}: pip takes over, with its settings.")
            files.append(_fetch_by_pip(wheel, layout, pip, order, voice))
    return files


def _fetch_by_pip(
    wheel: Wheel, layout: Layout, pip: Sequence[str], order: Order, voice: Voice
) -> Path:
    command = [
        *pip,
        "download",
        "--quiet",
        "--no-deps",
        *("--only-binary", ":all:"),
        *("--dest", str(layout.wheels)),
        *source_words(order),
        f"{wheel.name}=={wheel.version}",
    ]
    try:
        run_program(command, voice, interpreter.quiet_environment())
    except ProgramFailed as error:
        raise explain_pip(error.lines, offline=False) from error
    path = layout.wheels / wheel.filename
    if not path.is_file() or (wheel.sha256 and wheels.sha256(path) != wheel.sha256):
        raise SetupError(f"{wheel.filename} is not to be had.", "Choose another package index.")
    return path


def install_files(layout: Layout, pip: Sequence[str], files: Sequence[Path], voice: Voice) -> None:
    """Install wheels that are on this machine, a few at a time."""
    if files:
        voice.status(f"Installing {len(files)} packages")
    for first in range(0, len(files), BATCH):
        batch = files[first : first + BATCH]
        share = FETCHED + (INSTALLED - FETCHED) * first / len(files)
        voice.progress(share, ", ".join(path.name.partition("-")[0] for path in batch))
        # --ignore-installed writes over what a break or a damage has left.
        command = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
        command += ["--no-warn-script-location", *(str(path) for path in batch)]
        try:
            run_program(command, voice, interpreter.quiet_environment(offline=True))
        except ProgramFailed as error:
            raise explain_pip(error.lines, offline=True) from error


def start_once(layout: Layout, voice: Voice) -> None:
    """Load torch and ask the backend its version: an environment that can't is not finished."""
    check = "import torch, idto3d; print('torch', torch.__version__, 'idto3d', idto3d.__version__)"
    try:
        run_program([layout.python, "-I", "-c", check], voice)
    except ProgramFailed as error:
        reason = error.lines[-1] if error.lines else f"code {error.code}"
        raise SetupError(f"The backend does not start ({reason}).", "Press Repair.") from error


def make_bundle(order: Order, folder: Path, voice: Voice) -> int:
    """Fill a folder with all that an installation on such a machine needs; returns the files.

    Args:
        order: its root is a folder for the time being, in which a break is gone on from.
        folder: gets the wheels and their sums.
    """
    variant = choose_variant(order.variant)
    check_variant(variant)
    packages = read_locked(order.sources)
    check_new(order.root)
    layout = Layout(order.root)
    with locked(order.root):
        check_room(order.root, variant, offline=True)
        write_record(order.root, Record(False, variant.name, str(order.python), packages.key))
        interpreter.make_environment(layout, order.python, voice)
        pip = interpreter.pip_command(layout, order.python, voice, None)
        plan = make_plan(order, layout, pip, packages, variant, voice)
        files = fetch_all(plan, layout, pip, order, voice)
        voice.status(f"Copying to {folder}")
        voice.progress(FETCHED, "Copying")
        wheels.copy_all(files, folder, voice)
        lines = [f"{digest}  {name}\n" for name, digest in wheels.sums(folder).items()]
        write_whole(folder / "SHA256SUMS", "".join(lines))
    shutil.rmtree(order.root)
    voice.progress(1.0, "")
    return len(files)

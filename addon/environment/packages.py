# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages the environment gets: the backend's, at the versions that were tested.

`pyproject.toml` names them, `constraints.txt` has the exact versions, and torch depends on the
machine.
"""

import hashlib
import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .messages import SetupError

TORCH_VERSION = "2.13.0"
TORCH_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class Variant:
    """A build of torch."""

    name: str
    tag: str  # the local part of its version; "" where it is the index's plain build
    need_gib: float  # free disk that the environment needs while it is made


# CUDA 13.0 is the build that torch 2.11 and later call stable, ROCm 7.2 theirs for AMD.
VARIANTS = {
    "cpu": Variant("cpu", "cpu", 4.0),
    "cuda": Variant("cuda", "cu130", 14.0),
    "rocm": Variant("rocm", "rocm7.2", 24.0),
    "apple": Variant("apple", "", 4.0),
}


def choose_variant(wish: str) -> Variant:
    """The build of torch for this machine.

    Args:
        wish: one of VARIANTS, or `auto`.
    """
    if wish != "auto":
        return VARIANTS[wish]
    if sys.platform == "darwin":
        return VARIANTS["apple"]
    if shutil.which("nvidia-smi"):
        return VARIANTS["cuda"]
    if sys.platform == "linux" and Path("/dev/kfd").exists():
        return VARIANTS["rocm"]
    return VARIANTS["cpu"]


def check_variant(variant: Variant) -> None:
    """Raise SetupError where there is no such build for this system."""
    system = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, platform.system())
    wrong = {
        "cuda": sys.platform == "darwin",
        "rocm": sys.platform != "linux",
        "apple": sys.platform != "darwin",
        "cpu": False,
    }
    if wrong[variant.name]:
        raise SetupError(f"There is no torch for {variant.name} on {system}.", "Choose Automatic.")


@dataclass(frozen=True)
class Locked:
    """The packages to install."""

    requirements: tuple[str, ...]  # as pip takes them, without torch
    constraints: Path  # the exact versions

    @property
    def key(self) -> str:
        """Differs when another version of the add-on wants other packages."""
        digest = hashlib.sha256("\n".join((TORCH_VERSION, *self.requirements)).encode())
        digest.update(self.constraints.read_bytes())
        return digest.hexdigest()[:16]


def read_locked(sources: Path) -> Locked:
    """The packages that the backend in `sources`, the add-on's folder, needs.

    Raises:
        SetupError: the add-on is not whole.
    """
    try:
        project = tomllib.loads((sources / "pyproject.toml").read_text(encoding="utf-8"))
        names = project["project"]["dependencies"]
        constraints = sources / "constraints.txt"
        constraints.read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise SetupError(
            f"The add-on's list of packages can't be read ({error}).", "Install the add-on again."
        ) from error
    wanted = tuple(name for name in names if not re.match(r"torch\b(?![.-])", name))
    return Locked(wanted, constraints)


def torch_attempts(variant: Variant, offline: bool) -> tuple[tuple[str, ...], ...]:
    """What to ask pip for, one after the other, to get torch.

    An index of one's own may have the build already; PyTorch's index has it for certain; for
    macOS the plain build of any index is the right one.
    """
    plain = f"torch=={TORCH_VERSION}"
    if not variant.tag:
        return ((plain,),)
    tagged = f"{plain}+{variant.tag}"
    if offline:
        return ((tagged,), (plain,))
    # A version with a tag is newer than the same one without, so pip takes PyTorch's.
    return ((tagged,), (plain, "--extra-index-url", f"{TORCH_INDEX}/{variant.tag}"))


def check_torch(variant: Variant, version: str) -> None:
    """Raise SetupError when the torch that was found is another build than the one asked for."""
    _, _, tag = version.partition("+")
    kinds = {"cuda": ("", "cu"), "rocm": ("rocm",), "cpu": ("", "cpu", "cu"), "apple": ("",)}
    if not any(tag == kind or (kind and tag.startswith(kind)) for kind in kinds[variant.name]):
        raise SetupError(
            f"Only torch {version} was found, which is no build for {variant.name}.",
            "Choose another kind of torch, or a package index that has it.",
        )


def explain_pip(lines: Sequence[str], offline: bool) -> SetupError:
    """What a person can do about pip's failure, from the last lines that it printed."""
    text = "\n".join(lines)
    if "No space left" in text or "Errno 28" in text:
        return SetupError("The disk is full.", "Make room, then press Resume.")
    # The second is how pip puts it when another version than the locked one is there.
    pattern = r"(?:No matching distribution found for|Cannot install) ([\w.\-]+)"
    missing = re.findall(pattern, text)
    unreachable = ("NewConnectionError", "ConnectTimeout", "Temporary failure", "getaddrinfo")
    if any(word in text for word in ("CERTIFICATE_VERIFY_FAILED", "SSLError")):
        return SetupError(
            "The package index showed a certificate that is not trusted.",
            "Check the computer's clock and proxy, or import an offline bundle.",
        )
    if not offline and any(word in text for word in unreachable):
        return SetupError(
            "The package index can't be reached.",
            "Check the connection and press Resume, or import an offline bundle.",
        )
    if missing:
        where = "The bundle has" if offline else "The package index has"
        version = platform.python_version()
        return SetupError(
            f"{where} no fitting {missing[-1]} for Python {version} on this machine.",
            "Choose a bundle that was made for this machine and this Python."
            if offline
            else "Choose Python 3.11, 3.12 or 3.13 as the environment's Python.",
        )
    return SetupError(
        "pip could not install the packages.", "Look into the log, then press Resume or Repair."
    )

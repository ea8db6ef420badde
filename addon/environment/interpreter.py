# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's Python: made from another, asked what it is, given pip."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .messages import SetupError, Voice
from .run_program import ProgramFailed, run_program

OLDEST = (3, 11)
# The one that is tested. Older than 25.3, pip downloads all that it is only asked to look up.
PIP_VERSION = "26.3"
LOOKS_UP_ONLY = (25, 3)
# Says what an interpreter is, whatever its version.
QUESTION = (
    "import json, struct, sys, sysconfig\n"
    "print(json.dumps([list(sys.version_info[:2]), struct.calcsize('P') * 8, "
    "sysconfig.get_platform()]))"
)


@dataclass(frozen=True)
class Interpreter:
    """What a Python says of itself."""

    version: tuple[int, int]
    bits: int
    system: str  # for example linux-x86_64


def ask(python: Path) -> Interpreter | None:
    """What `python` is; None when it does not start or is no Python."""
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60.0,
            check=True,
        )
        version, bits, system = json.loads(answer.stdout.splitlines()[-1])
        return Interpreter((version[0], version[1]), bits, system)
    except (OSError, ValueError, IndexError, TypeError, subprocess.SubprocessError):
        return None


def check_python(python: Path) -> Interpreter:
    """What `python` is.

    Raises:
        SetupError: no environment for the backend can be made from it.
    """
    found = ask(python)
    if found is None:
        raise SetupError(
            f"{python} is no Python that starts.",
            "Choose the program itself, for example /usr/bin/python3.",
        )
    if found.version < OLDEST or found.bits < 64:
        version = ".".join(map(str, found.version))
        raise SetupError(
            f"{python} is Python {version} with {found.bits} bits.",
            "Choose a 64-bit Python 3.11 or later.",
        )
    return found


def make_environment(layout: Layout, base: Path, voice: Voice) -> None:
    """Make the virtual environment with pip in it, unless it is there and starts.

    An environment whose Python does not start, because the one that it was made from is gone, is
    replaced with everything that was installed in it.

    Args:
        base: the Python to make it from.

    Raises:
        SetupError: this Python can't make one.
        Cancelled: the person asked to stop.
    """
    wanted = check_python(base)
    if ask(layout.python) != wanted:
        if layout.venv.exists():
            voice.log("The environment's Python does not start or is another one: made anew.")
            shutil.rmtree(layout.venv)
        voice.status("Making the environment")
        try:
            run_program([base, "-I", "-m", "venv", "--without-pip", layout.venv], voice)
        except (ProgramFailed, OSError) as error:
            raise _unable(base) from error
        if ask(layout.python) is None:
            raise _unable(base)


def _unable(base: Path) -> SetupError:
    return SetupError(
        f"{base} can't make an environment of its own.",
        "Install Python 3.11 or later from python.org (on Debian and Ubuntu: python3-venv) and "
        "choose it as the environment's Python.",
    )


def pip_command(layout: Layout, base: Path, voice: Voice, bundle: Path | None) -> list[str]:
    """The words that start pip for the environment: its own, the base's, or the bundle's.

    Raises:
        SetupError: there is no pip to be had.
    """
    own = [str(layout.python), "-I", "-m", "pip"]
    if pip_version(own) is not None:
        return own
    voice.status("Getting pip")
    try:
        run_program([layout.python, "-I", "-m", "ensurepip"], voice)
    except (ProgramFailed, OSError):
        voice.log("This Python comes without pip.")
    if pip_version(own) is not None:
        return own
    foreign = [str(base), "-I", "-m", "pip", "--python", str(layout.python)]
    if pip_version(foreign) is not None:
        return foreign
    for wheel in sorted(bundle.glob("pip-*.whl")) if bundle is not None else ():
        packed = [str(layout.python), "-I", str(wheel / "pip")]
        if pip_version(packed) is not None:
            return packed
    raise SetupError(
        f"{base} comes without pip.",
        "Install Python 3.11 or later from python.org and choose it as the environment's Python.",
    )


def renew_pip(layout: Layout, pip: list[str], index_words: Sequence[str], voice: Voice) -> None:
    """Bring the environment's own pip up to date from the index; an older one works, too."""
    version = pip_version(pip)
    if pip[0] != str(layout.python) or (version is not None and version >= LOOKS_UP_ONLY):
        return
    command = [*pip, "install", "--quiet", "--retries", "1", "--timeout", "20"]
    command += [*index_words, f"pip=={PIP_VERSION}"]
    try:
        run_program(command, voice, quiet_environment())
    except ProgramFailed:
        voice.log("pip stays as it is.")


def pip_version(pip: Sequence[str]) -> tuple[int, int] | None:
    """pip's version; None when it does not start or is older than 22.3.

    From 22.3 on it can report what it would install, and install for another Python.
    """
    try:
        answer = subprocess.run(
            [*pip, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120.0,
            env=quiet_environment(),
            check=False,
        )
        words = answer.stdout.split()
        major, minor = (int(part) for part in words[1].split(".")[:2])
        return (major, minor) if answer.returncode == 0 and (major, minor) >= (22, 3) else None
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def quiet_environment(offline: bool = False) -> dict[str, str]:
    """The variables for pip.

    Args:
        offline: leave nothing that could send it to an index.
    """
    variables = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    if offline:
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith("PIP_")
        }
        variables |= {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_INPUT": "1",
        }
    return variables

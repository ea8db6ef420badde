# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages and which torch, and what is said when they can't be had."""

import re
import sys
from pathlib import Path

import pytest

from tests.addon import extension
from tests.addon.environment import tiny

packages = extension.load("addon.environment.packages")
messages = extension.load("addon.environment.messages")
ROOT = extension.ROOT


def test_torch_is_the_makefiles() -> None:
    found = re.search(r"^TORCH_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None and found.group(1) == packages.TORCH_VERSION


def test_every_package_of_the_backend_is_locked() -> None:
    locked = packages.read_locked(ROOT)
    names = {re.split(r"[<>=]", name)[0].lower() for name in locked.requirements}
    assert "numpy" in names and "torch" not in names
    lines = locked.constraints.read_text().splitlines()
    versions = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert {name.replace("-", "_") for name in names} <= {n.replace("-", "_") for n in versions}


def test_key_follows_the_list(tmp_path: Path) -> None:
    one = packages.read_locked(tiny.make_sources(tmp_path / "a"))
    same = packages.read_locked(tiny.make_sources(tmp_path / "b"))
    other = packages.read_locked(tiny.make_sources(tmp_path / "c", version="2.0"))
    assert one.key == same.key != other.key


def test_add_on_that_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(messages.SetupError, match="Install the add-on again"):
        packages.read_locked(tmp_path)


@pytest.mark.parametrize(
    ("platform", "nvidia", "variant"),
    [("darwin", False, "apple"), ("linux", True, "cuda"), ("win32", False, "cpu")],
)
def test_automatic_choice(
    monkeypatch: pytest.MonkeyPatch, platform: str, nvidia: bool, variant: str
) -> None:
    monkeypatch.setattr(packages.sys, "platform", platform)
    monkeypatch.setattr(packages.shutil, "which", lambda name: name if nvidia else None)
    assert packages.choose_variant("auto").name == variant
    assert packages.choose_variant("cpu").name == "cpu"


def test_no_build_for_this_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.sys, "platform", "win32")
    with pytest.raises(messages.SetupError, match="no torch for rocm on Windows"):
        packages.check_variant(packages.VARIANTS["rocm"])
    packages.check_variant(packages.VARIANTS["cuda"])


def test_where_torch_comes_from() -> None:
    cuda = packages.torch_attempts(packages.VARIANTS["cuda"], offline=False)
    assert cuda[0] == ("torch==2.13.0+cu130",)
    assert cuda[1][-1] == "https://download.pytorch.org/whl/cu130"
    assert packages.torch_attempts(packages.VARIANTS["apple"], False) == (("torch==2.13.0",),)
    offline = packages.torch_attempts(packages.VARIANTS["cpu"], offline=True)
    assert not [word for attempt in offline for word in attempt if "://" in word]


@pytest.mark.parametrize(
    ("variant", "version", "good"),
    [
        ("cuda", "2.13.0+cu130", True),
        ("cuda", "2.13.0", True),
        ("cuda", "2.13.0+cpu", False),
        ("rocm", "2.13.0", False),
        ("cpu", "2.13.0+cpu", True),
        ("cpu", "2.13.0+rocm7.2", False),
    ],
)
def test_build_that_was_found(variant: str, version: str, good: bool) -> None:
    if good:
        packages.check_torch(packages.VARIANTS[variant], version)
    else:
        with pytest.raises(messages.SetupError, match="no build for"):
            packages.check_torch(packages.VARIANTS[variant], version)


@pytest.mark.parametrize(
    ("line", "cause", "remedy"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full", "Resume"),
        ("... CERTIFICATE_VERIFY_FAILED ...", "certificate", "proxy"),
        ("NewConnectionError: Failed to establish", "can't be reached", "bundle"),
        ("ERROR: No matching distribution found for scipy==9 (from x)", "no fitting scipy", "3.1"),
        ("ERROR: Cannot install a-b>=1 because", "no fitting a-b for Python", "3.1"),
        ("Segmentation fault", "pip could not", "log"),
    ],
)
def test_what_pip_says_in_words(line: str, cause: str, remedy: str) -> None:
    error = packages.explain_pip(["something", line], offline=False)
    assert cause in error.cause and remedy in error.remedy


def test_python_here_is_good_enough() -> None:
    interpreter = extension.load("addon.environment.interpreter")
    found = interpreter.check_python(Path(sys.executable))
    assert found.version == sys.version_info[:2] and found.bits == 64
    assert interpreter.ask(Path("/nowhere/python")) is None

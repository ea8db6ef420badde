# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that is installed once; each test gets a copy to spoil."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.addon.environment import tiny


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was broken off when it had pip; getting pip takes seconds."""
    import pip

    root = tmp_path_factory.mktemp("begun") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "python"], check=True)
    (site,) = (root / "python" / "lib").glob("python3*/site-packages")
    ours = Path(pip.__file__).parent
    shutil.copytree(ours, site / "pip")
    tiny.write_record(root, complete=False)
    return root


@pytest.fixture(scope="session")
def installed(
    begun: Path, bundle: Path, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """An environment that was installed from the bundle without an index; what was said."""
    root = Path(
        shutil.copytree(begun, tmp_path_factory.mktemp("place") / "environment", symlinks=True)
    )
    options = tiny.install_options(root, sources)
    code, messages = tiny.run("install", **options, bundle=bundle, offline=True)
    assert code == 0, messages
    return root, messages


@pytest.fixture
def root(installed: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the installed environment, to be spoiled."""
    return Path(shutil.copytree(installed[0], tmp_path / "environment", symlinks=True))

# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's program, run as Blender runs it, on packages of a few bytes and no network."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.addon.environment import tiny

pytestmark = pytest.mark.skipif(os.name == "nt", reason="made for the paths of Linux and macOS")


def forget_torch(root: Path) -> None:
    """Delete the package's files; its record still says that it is installed."""
    shutil.rmtree(tiny.site_packages(root) / "torch")


def test_bundle_becomes_an_environment_that_finds_the_backend(
    installed: tuple[Path, list[dict[str, Any]]], sources: Path
) -> None:
    root, messages = installed
    assert messages[-1] == {
        "type": "done",
        "text": f"The backend is ready, with torch {tiny.TORCH}.",
        "torch": tiny.TORCH,
    }
    shares = [message["share"] for message in messages if message["type"] == "progress"]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert tiny.record(root)["complete"] and tiny.record(root)["torch"] == tiny.TORCH
    assert not (root / "wheels").exists()
    code = "import idto3d, torch, tiny_part, tiny_math; print(idto3d.__file__)"
    assert tiny.ask(root, code) == str(sources / "backend" / "idto3d" / "__init__.py")
    assert "idto3d tiny" in (root / "setup.log").read_text()


def test_second_installation_has_nothing_to_do(root: Path, sources: Path) -> None:
    code, messages = tiny.run("install", **tiny.install_options(root, sources))
    texts = [message["text"] for message in messages if message["type"] == "status"]
    assert code == 0 and not [text for text in texts if text.startswith(("Down", "Installing"))]


def test_not_online_and_no_bundle(tmp_path: Path, sources: Path) -> None:
    root = tmp_path / "environment"
    code, messages = tiny.run("install", **tiny.install_options(root, sources), offline=True)
    assert code == 2 and not root.exists()
    assert messages[-1]["type"] == "error" and "online access is off" in messages[-1]["cause"]
    assert "bundle" in messages[-1]["remedy"]


@pytest.mark.parametrize("sums", [True, False])
def test_bundle_that_lacks_a_package(
    root: Path, sources: Path, bundle: Path, tmp_path: Path, sums: bool
) -> None:
    poor = Path(shutil.copytree(bundle, tmp_path / "poor"))
    (poor / "tiny_part-1.0-py3-none-any.whl").unlink()
    if sums:
        (poor / "SHA256SUMS").write_text(f"{'0' * 64}  tiny_part-1.0-py3-none-any.whl\n")
    (root / "plan.json").unlink()
    code, messages = tiny.run("install", **tiny.install_options(root, sources), bundle=poor)
    assert code == 2
    words = "missing or damaged" if sums else "The bundle has no fitting tiny-part"
    assert words in messages[-1]["cause"]


def test_broken_download_goes_on_where_it_broke(root: Path, sources: Path, bundle: Path) -> None:
    """Killed in the middle of a file: the next start fetches the rest of it."""
    wheel = f"torch-{tiny.TORCH}-py3-none-any.whl"
    forget_torch(root)
    options = tiny.install_options(root, sources)
    half = (bundle / wheel).stat().st_size // 2
    with tiny.index(bundle, stall_at=half) as (address, state):
        part = root / "wheels" / f"{wheel}.part"
        with tiny.started("install", **options, index=address) as process:
            assert state.stalled.wait(tiny.PATIENCE)
            tiny.wait_for(lambda: part.exists() and part.stat().st_size > 0)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=tiny.PATIENCE)
        assert not tiny.record(root)["complete"]
        have = part.stat().st_size
        assert 0 < have <= half
        state.stall_at = None
        code, messages = tiny.run("install", **options, index=address)
        assert code == 0, messages
        assert state.ranges == [f"bytes={have}-"]
    assert tiny.record(root)["complete"] and tiny.ask(root, "import torch") == ""


def test_cancel_during_a_download_ends_at_once(root: Path, sources: Path, bundle: Path) -> None:
    forget_torch(root)
    options = tiny.install_options(root, sources)
    with (
        tiny.index(bundle, stall_at=1000) as (address, state),
        tiny.started("install", **options, index=address) as process,
    ):
        assert state.stalled.wait(tiny.PATIENCE)
        output, errors = process.communicate(timeout=tiny.PATIENCE)  # closes its input
    assert json.loads(output.splitlines()[-1]) == {"type": "cancelled"}
    assert process.returncode == 130 and not errors
    assert not tiny.record(root)["complete"]


def test_two_set_ups_of_one_folder(root: Path, sources: Path, bundle: Path) -> None:
    forget_torch(root)
    options = tiny.install_options(root, sources)
    with (
        tiny.index(bundle, stall_at=1000) as (address, state),
        tiny.started("install", **options, index=address) as first,
    ):
        assert state.stalled.wait(tiny.PATIENCE)
        code, messages = tiny.run("remove", root=root)
        first.communicate(timeout=tiny.PATIENCE)
    assert code == 2 and "Another set-up is at work" in messages[-1]["cause"]
    assert tiny.record(root)


def test_pip_that_outlives_the_program_is_waited_for(
    root: Path, sources: Path, bundle: Path
) -> None:
    forget_torch(root)
    options = tiny.install_options(root, sources)
    with (
        tiny.index(bundle, stall_at=1000, stall_pip=True) as (address, state),
        tiny.started("install", **options, index=address) as process,
    ):
        assert state.stalled.wait(tiny.PATIENCE)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=tiny.PATIENCE)
        code, messages = tiny.run("install", **options, bundle=bundle)
        assert code == 2 and "Another set-up is at work" in messages[-1]["cause"]
    # With the index, pip comes to its end, too.
    tiny.wait_for(lambda: tiny.run("install", **options, bundle=bundle)[0] == 0)


def test_file_that_arrives_damaged(root: Path, sources: Path, tmp_path: Path) -> None:
    site = tiny.site_packages(root)
    (site / "tiny_part.py").unlink()
    other = tiny.make_bundle(tmp_path / "other")
    plan = json.loads((root / "plan.json").read_text())
    with tiny.index(other) as (address, _):
        for wheel in plan["wheels"]:
            name = wheel["url"].rpartition("/")[2]
            wheel["url"] = address.replace("/simple/", f"/files/{name}")
            wheel["sha256"] = "0" * 64
        (root / "plan.json").write_text(json.dumps(plan))
        code, messages = tiny.run("install", **tiny.install_options(root, sources))
    assert code == 2 and "arrived damaged" in messages[-1]["cause"]
    assert not list((root / "wheels").iterdir())


def test_foreign_folder_is_not_touched(tmp_path: Path, sources: Path, bundle: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    options = tiny.install_options(tmp_path, sources)
    code, messages = tiny.run("install", **options, bundle=bundle)
    assert code == 2 and "holds other files" in messages[-1]["cause"]
    assert tiny.run("remove", root=tmp_path)[0] == 2
    assert tiny.run("move", root=tmp_path, to=tmp_path.with_name("elsewhere"))[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_no_python(tmp_path: Path, sources: Path, bundle: Path) -> None:
    options = tiny.install_options(tmp_path / "e", sources) | {"python": "/bin/ls"}
    code, messages = tiny.run("install", **options, bundle=bundle)
    assert code == 2 and "is no Python that starts" in messages[-1]["cause"]


def test_bundle_is_saved_with_its_sums(
    begun: Path, sources: Path, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(begun, tmp_path / "scratch", symlinks=True)
    with tiny.index(bundle) as (address, _):
        options = tiny.install_options(tmp_path / "scratch", sources)
        code, messages = tiny.run("bundle", **options, index=address, to=tmp_path / "saved")
    assert code == 0, messages
    names = sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert names == ["SHA256SUMS", *sorted(path.name for path in bundle.glob("*.whl"))]
    for path in bundle.glob("*.whl"):
        assert (tmp_path / "saved" / path.name).read_bytes() == path.read_bytes()
    check = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "saved", check=False)
    assert check.returncode == 0
    assert not (tmp_path / "scratch").exists()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair, renew, move and remove an environment, on packages of a few bytes and no network."""

import errno
import io
import os
import subprocess
from pathlib import Path

import pytest

from tests.addon import extension
from tests.addon.environment import tiny

relocate = extension.load("addon.environment.relocate")
messages = extension.load("addon.environment.messages")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="made for the paths of Linux and macOS")


def test_repair_finds_a_changed_file_by_its_sum(root: Path, sources: Path, bundle: Path) -> None:
    site = tiny.site_packages(root)
    good = (site / "tiny_part.py").read_bytes()
    (site / "tiny_part.py").write_bytes(good.replace(b"1.0", b"6.6"))
    options = tiny.install_options(root, sources)
    code, messages = tiny.run("repair", **options, bundle=bundle, offline=True)
    assert code == 0, messages
    assert (site / "tiny_part.py").read_bytes() == good
    texts = [message["text"] for message in messages if message["type"] == "status"]
    assert "Installing 1 packages" in texts


def test_repair_when_the_python_is_gone(root: Path, sources: Path, bundle: Path) -> None:
    python = root / "python" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    options = tiny.install_options(root, sources)
    code, messages = tiny.run("repair", **options, bundle=bundle, offline=True)
    assert code == 0, messages
    assert tiny.ask(root, "import torch; print(torch.__version__)") == tiny.TORCH


def test_newer_list_of_packages_replaces_the_older_versions(root: Path, tmp_path: Path) -> None:
    newer = tiny.make_sources(tmp_path / "newer", version="2.0")
    bundle = tiny.make_bundle(tmp_path / "bundle", version="2.0")
    before = tiny.record(root)["key"]
    code, messages = tiny.run("install", **tiny.install_options(root, newer), bundle=bundle)
    assert code == 0, messages
    assert tiny.ask(root, "import tiny_part; print(tiny_part.V)") == "2.0"
    found = (root / "python" / "lib").glob("python3*/site-packages/tiny_part-*")
    assert [path.name for path in found] == ["tiny_part-2.0.dist-info"]
    assert tiny.record(root)["key"] != before


def test_move_and_remove(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "other" / "place"
    script = root / "python" / "bin" / "hello"
    script.write_text(f"#!{root / 'python' / 'bin' / 'python'}\nimport torch\nprint('hello')\n")
    script.chmod(0o755)
    code, messages = tiny.run("move", root=root, to=target)
    assert code == 0 and messages[-1]["root"] == str(target)
    assert not root.exists()
    assert tiny.ask(target, "import torch; print(torch.__file__)").startswith(str(target))
    moved = str(target / "python" / "bin" / "hello")
    assert subprocess.run([moved], capture_output=True, text=True, check=True).stdout == "hello\n"
    code, messages = tiny.run("remove", root=target)
    assert code == 0 and not target.exists() and target.parent.is_dir()


def test_move_onto_something(root: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for target, words in ((tmp_path / "full", "not empty"), (root / "inside", "into itself")):
        code, messages = tiny.run("move", root=root, to=target)
        assert code == 2 and words in messages[-1]["cause"]
    assert tiny.record(root)["complete"] and sorted(os.listdir(tmp_path)) == ["environment", "full"]


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renaming works within a folder only, as from one disk to another."""
    rename = os.rename

    def within_a_folder(source: Path, target: Path) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(relocate.os, "rename", within_a_folder)


@pytest.mark.usefixtures("other_disk")
def test_move_to_another_disk(root: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(root) for path in root.rglob("*") if path.name != "lock")
    said = io.StringIO()
    relocate.move(root, tmp_path / "far" / "place", messages.Voice(said, root / "setup.log"))
    target = tmp_path / "far" / "place"
    assert not root.exists() and os.listdir(target.parent) == ["place"]
    after = sorted(path.relative_to(target) for path in target.rglob("*"))
    # A folder without files is not worth moving.
    assert [path for path in before if path not in after and any((root / path).glob("*"))] == []
    assert tiny.ask(target, "import torch; print(torch.__file__)").startswith(str(target))
    assert tiny.record(target)["complete"] and '"progress"' in said.getvalue()


@pytest.mark.usefixtures("other_disk")
def test_move_that_is_cancelled_leaves_all_where_it_was(root: Path, tmp_path: Path) -> None:
    class Impatient(messages.Voice):  # type: ignore[misc,name-defined]
        def progress(self, share: float, text: str) -> None:
            if share > 0.5:
                self.cancel()

    with pytest.raises(messages.Cancelled):
        relocate.move(root, tmp_path / "far" / "place", Impatient(io.StringIO()))
    assert os.listdir(tmp_path / "far") == []
    assert tiny.ask(root, "import torch; print(torch.__version__)") == tiny.TORCH

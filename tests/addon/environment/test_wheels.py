# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads that go on, sums that are compared, packages that are whole or not."""

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.addon import extension
from tests.addon.environment import tiny

wheels = extension.load("addon.environment.wheels")
messages = extension.load("addon.environment.messages")
verify = extension.load("addon.environment.verify")
layout = extension.load("addon.environment.layout")


@pytest.fixture
def voice() -> Any:
    return messages.Voice(io.StringIO())


@pytest.fixture
def wheel_file(tmp_path: Path) -> Path:
    files = {"big/__init__.py": b"", "big/data.bin": tiny.PADDING}
    return tiny.make_wheel(tmp_path / "index", "big", "1.0", files)


def offered(path: Path, address: str) -> Any:
    """The wheel as an index offers it."""
    url = f"{address.removesuffix('simple/')}files/{path.name}"
    return wheels.Wheel("big", "1.0", url, wheels.sha256(path))


def ignore(have: int, total: int) -> None:
    pass


def test_download_tells_its_bytes(wheel_file: Path, tmp_path: Path, voice: Any) -> None:
    told = []
    with tiny.index(wheel_file.parent) as (address, _):
        path = wheels.fetch(
            offered(wheel_file, address), tmp_path, voice, lambda *bytes: told.append(bytes)
        )
    size = wheel_file.stat().st_size
    assert path.read_bytes() == wheel_file.read_bytes()
    assert told[-1] == (size, size) and len(told) > 1
    assert not list(tmp_path.glob("*.part"))


def test_part_is_gone_on_with(wheel_file: Path, tmp_path: Path, voice: Any) -> None:
    (tmp_path / f"{wheel_file.name}.part").write_bytes(wheel_file.read_bytes()[:1000])
    with tiny.index(wheel_file.parent) as (address, state):
        path = wheels.fetch(offered(wheel_file, address), tmp_path, voice, ignore)
    assert state.ranges == ["bytes=1000-"] and path.read_bytes() == wheel_file.read_bytes()


def test_part_of_another_file_is_found_out(wheel_file: Path, tmp_path: Path, voice: Any) -> None:
    part = tmp_path / f"{wheel_file.name}.part"
    part.write_bytes(b"x" * 1000)
    with tiny.index(wheel_file.parent) as (address, _):
        with pytest.raises(messages.SetupError, match="arrived damaged"):
            wheels.fetch(offered(wheel_file, address), tmp_path, voice, ignore)
        assert not part.exists()
        wheels.fetch(offered(wheel_file, address), tmp_path, voice, ignore)


def test_cancelled_in_a_silent_connection(wheel_file: Path, tmp_path: Path, voice: Any) -> None:
    with tiny.index(wheel_file.parent, stall_at=5000) as (address, state):

        def stop() -> None:
            state.stalled.wait(10.0)
            time.sleep(0.1)
            voice.cancel()

        threading.Thread(target=stop, daemon=True).start()
        begin = time.monotonic()
        with pytest.raises(messages.Cancelled):
            wheels.fetch(offered(wheel_file, address), tmp_path, voice, ignore)
        assert time.monotonic() - begin < 5.0
    assert (tmp_path / f"{wheel_file.name}.part").stat().st_size == 5000


def test_report_of_pip() -> None:
    report = {
        "install": [
            {
                "download_info": {
                    "url": "https://host/a/torch-2.13.0%2Bcpu-py3-none-any.whl",
                    "archive_info": {"hashes": {"sha256": "ab"}},
                },
                "metadata": {"name": "Torch_X", "version": "2.13.0+cpu"},
            }
        ]
    }
    (wheel,) = wheels.read_report(json.dumps(report))
    assert (wheel.name, wheel.version, wheel.sha256) == ("torch-x", "2.13.0+cpu", "ab")
    assert wheel.filename == "torch-2.13.0+cpu-py3-none-any.whl"


def test_plan_is_for_one_wish(tmp_path: Path) -> None:
    plan = (wheels.Wheel("a", "1", "https://x/a.whl", "ab"),)
    wheels.write_plan(tmp_path / "plan.json", "one", plan)
    assert wheels.read_plan(tmp_path / "plan.json", "one") == plan
    assert wheels.read_plan(tmp_path / "plan.json", "two") is None
    (tmp_path / "plan.json").write_text('{"key": "one", "whe')
    assert wheels.read_plan(tmp_path / "plan.json", "one") is None


@pytest.mark.parametrize(
    ("spoil", "quick", "thorough"),
    [
        (lambda site: None, True, True),
        (lambda site: (site / "part.py").unlink(), False, False),
        (lambda site: (site / "part.py").write_bytes(b"V = 2\n"), True, False),
        (lambda site: (site / "part.py").write_bytes(b""), False, False),
        (lambda site: (site / "part-1.0.dist-info" / "RECORD").unlink(), False, False),
    ],
    ids=["whole", "absent", "changed", "cut off", "no record"],
)
def test_packages_that_are_not_whole(
    tmp_path: Path, voice: Any, spoil: Any, quick: bool, thorough: bool
) -> None:
    import zipfile

    path = tiny.make_wheel(tmp_path, "part", "1.0", {"part.py": b"V = 1\n"})
    site = tmp_path / "site"
    zipfile.ZipFile(path).extractall(site)
    spoil(site)
    assert verify.examine(site, voice, sums=False) == {"part": verify.Installed("1.0", quick)}
    assert verify.examine(site, voice, sums=True) == {"part": verify.Installed("1.0", thorough)}


def test_record_of_a_folder(tmp_path: Path) -> None:
    assert layout.read_record(tmp_path) is None
    record = layout.Record(True, "cpu", "/usr/bin/python3", "key", "2.13.0")
    layout.write_record(tmp_path, record)
    assert layout.read_record(tmp_path) == record
    for text in ('{"kind": "something else", "version": 1}', "[]", '{"kind'):
        (tmp_path / "environment.json").write_text(text)
        assert layout.read_record(tmp_path) is None


def test_link_names_the_backend_in_any_alphabet(tmp_path: Path) -> None:
    environment = layout.Layout(tmp_path / "environment")
    site = environment.venv / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    folder = tmp_path / "Jörg's \N{CJK UNIFIED IDEOGRAPH-9802}"
    layout.link_backend(environment, folder)
    line = environment.link.read_bytes().decode("ascii")
    import sys

    before = list(sys.path)
    try:
        exec(line)
        assert sys.path[-1] == str(folder / "backend")
    finally:
        sys.path[:] = before
    written = environment.link.stat().st_mtime_ns
    layout.link_backend(environment, folder)
    assert environment.link.stat().st_mtime_ns == written

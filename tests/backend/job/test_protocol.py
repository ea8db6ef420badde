# SPDX-License-Identifier: GPL-3.0-or-later
"""The request and the messages survive their text; what is no request is refused in words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import idto3d
from idto3d.errors import UserError
from idto3d.job import protocol
from idto3d.job.protocol import JobFolder, Request


def test_request_survives_json() -> None:
    request = Request(
        photos=("/a/ä b.jpg", "/c.png"),
        expressions=("smile", "jaw_open"),
        name="Zoë",
        preset="paper",
        seed=7,
        device="cuda",
        prior="/p",
        identity_model="/m.onnx",
        description="grey hair",
        consent=True,
        overrides={"geometry.steps": 5, "light": "fixed"},
    )
    assert Request.from_json(request.to_json()) == request


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "photos": 3}'])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="request.json can't be read"):
        Request.from_json(text)


def test_newer_request_is_refused() -> None:
    values = json.loads(Request(photos=("a",), expressions=()).to_json())
    with pytest.raises(UserError, match="another version"):
        Request.from_json(json.dumps({**values, "version": 2}))


@pytest.mark.parametrize(
    "message",
    [
        protocol.Started(12),
        protocol.Status("looking at the photos"),
        protocol.Progress("geometry", 3, 10, 4.5, {"loss": 0.25}),
        protocol.Progress("geometry", 0, 10),
        protocol.Preview("preview/1.glb"),
        protocol.Picture("preview/1.png"),
        protocol.Warned("line\nbreak"),
        protocol.Used(3 << 30, 5),
        protocol.Failed("No face.", "Take another photo."),
        protocol.Stopped(),
        protocol.Done("result/head.glb"),
    ],
)
def test_message_survives_its_line(message: protocol.Message) -> None:
    line = protocol.encode(message, 1.0)
    assert "\n" not in line
    assert protocol.decode(line) == message


def test_message_keeps_its_time() -> None:
    assert protocol.decode_timed(protocol.encode(protocol.Stopped(), 12.5)) == (
        12.5,
        protocol.Stopped(),
    )


def test_every_message_kind_is_its_own() -> None:
    assert len({message.kind for message in protocol.MESSAGES}) == len(protocol.MESSAGES)


@pytest.mark.parametrize(
    "line", ["", "{", "3", '{"type": "joke"}', '{"type": "status"}', '{"type": "done", "x": 1}']
)
def test_foreign_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        protocol.decode(line)


def test_folder_without_job(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no job in"):
        JobFolder(tmp_path).read_request()


def test_paths_in_messages_are_relative(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert folder.relative(folder.preview / "a.png") == "preview/a.png"
    with pytest.raises(ValueError):
        folder.relative(tmp_path.parent / "elsewhere.png")


def test_blender_finds_the_modules_under_another_package() -> None:
    # As in the extension, where they are `bl_ext.REPOSITORY.idto3d.backend.idto3d.job`.
    backend = str(Path(idto3d.__file__).parents[2])
    code = (
        f"import sys; sys.path.insert(0, {backend!r}); "
        "from backend.idto3d.job import eventlog, lock, protocol; "
        "assert not [name for name in sys.modules if name.startswith('idto3d')]"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_blender_side_needs_the_standard_library_only() -> None:
    # -S: no site-packages at all, so an import of torch or safetensors would fail.
    backend = str(Path(idto3d.__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {backend!r}); "
        "import idto3d.job.protocol, idto3d.job.eventlog, idto3d.job.lock, idto3d.job.preflight"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)

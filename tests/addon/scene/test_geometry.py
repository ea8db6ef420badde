# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads as they lie in files, and the welding of what a UV layout split."""

from array import array
from pathlib import Path

import pytest

from tests.addon import mock_head
from tests.addon.extension import load

glb = load("addon.scene.glb")
geometry = load("addon.scene.geometry")

COLUMNS = mock_head.SEGMENTS + 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    mock_head.write_head(tmp_path / "head.glb", "Ada", ("smile", "anger"))
    return tmp_path / "head.glb"


def test_everything_is_read(path: Path) -> None:
    head = glb.read_head(path)
    assert head.name == "Ada" and head.about == {"seed": 0}
    assert len(head.positions) == len(head.normals) == 3 * COLUMNS * (mock_head.RINGS + 1)
    assert len(head.uv) == 2 * COLUMNS * (mock_head.RINGS + 1)
    assert head.colours is None
    assert list(head.targets) == ["smile", "anger"]
    assert max(head.targets["anger"]) == pytest.approx(0.02)
    assert list(head.maps) == ["albedo", "normal", "orm"]
    assert head.maps["normal"].data == mock_head.png((128, 128, 255))
    assert {found.suffix for found in head.maps.values()} == {".png"}


def test_a_preview_has_colours_and_no_maps(tmp_path: Path) -> None:
    mock_head.write_preview(tmp_path / "preview.glb", "Ada")
    head = glb.read_head(tmp_path / "preview.glb")
    assert head.maps == {} and head.uv is None and head.targets == {}
    assert list(head.colours[:3]) == pytest.approx([0.5, 0.4, 0.3])


@pytest.mark.parametrize("length", [0, 4, 12, 19, 20, 300, -1])
def test_a_cut_file_is_refused(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(glb.UnreadableFile, match="head.glb is damaged"):
        glb.read_head(path)


def test_faces_beyond_the_vertices_are_refused(path: Path) -> None:
    head = glb.read_head(path)
    data = path.read_bytes()
    at = data.index(head.triangles.tobytes())
    path.write_bytes(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :])
    with pytest.raises(glb.UnreadableFile):
        glb.read_head(path)


def test_a_folder_is_refused_by_its_cause(tmp_path: Path) -> None:
    with pytest.raises(glb.UnreadableFile, match="can't be read"):
        glb.read_head(tmp_path)


def test_seam_and_poles_are_welded(path: Path) -> None:
    head = glb.read_head(path)
    weld = geometry.weld(head)
    assert len(weld.first) == (mock_head.RINGS - 1) * mock_head.SEGMENTS + 2
    for row in range(mock_head.RINGS + 1):
        assert weld.welded[row * COLUMNS] == weld.welded[row * COLUMNS + COLUMNS - 1]
    for vertex, welded in enumerate(weld.welded):
        first = weld.first[welded]
        assert head.positions[3 * vertex : 3 * vertex + 3] == head.positions[3 * first :][:3]


@pytest.mark.parametrize("layer", ["normals", "smile"])
def test_what_looks_or_moves_elsewhere_stays_apart(path: Path, layer: str) -> None:
    """Lips that touch: one place, but another normal or another motion."""
    head = glb.read_head(path)
    count = len(geometry.weld(head).first)
    values = head.normals if layer == "normals" else head.targets[layer]
    seam = 3 * (4 * COLUMNS)
    values[seam + 1] += 0.25
    weld = geometry.weld(head)
    assert len(weld.first) == count + 1
    assert weld.welded[4 * COLUMNS] != weld.welded[4 * COLUMNS + COLUMNS - 1]


def test_rows_are_picked_in_order() -> None:
    values = array("f", [0, 1, 2, 10, 11, 12, 20, 21, 22])
    assert list(geometry.picked(values, [2, 0, 2], 3)) == [20, 21, 22, 0, 1, 2, 20, 21, 22]


def test_v_turns_upwards(path: Path) -> None:
    head = glb.read_head(path)
    corners = geometry.corner_uv(head)
    for corner, vertex in enumerate(head.triangles):
        assert corners[2 * corner] == head.uv[2 * vertex]
        assert corners[2 * corner + 1] == pytest.approx(1 - head.uv[2 * vertex + 1])

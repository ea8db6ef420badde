# SPDX-License-Identifier: GPL-3.0-or-later
"""provenance.json, and files that are written whole or not at all."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from idto3d.asset.files import make_folder, write_whole
from idto3d.asset.provenance import Ingredient, commercial_use, describe, write_provenance
from idto3d.errors import UserError

FREE = Ingredient("prior", "compact", "GPL-3.0-or-later", True)
BARRED = Ingredient("identity encoder", "insightface buffalo_l", "non-commercial research", False)


def test_describes_what_went_in(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"not really a photo").hexdigest()
    photos = [("me.jpg", sha256)]
    provenance = describe(
        photos, [FREE], {"preset": "draft"}, 7, {"geometry": 12.34567}, "2026-01-02T03:04:05Z"
    )
    write_provenance(tmp_path / "provenance.json", provenance)
    read = json.loads((tmp_path / "provenance.json").read_text("utf-8"))
    assert read == provenance
    assert read["photos"] == [{"name": "me.jpg", "sha256": sha256}]
    assert read["seed"] == 7 and read["settings"] == {"preset": "draft"}
    assert read["timings_seconds"] == {"geometry": 12.346}
    assert read["versions"]["numpy"][0].isdigit()
    assert read["ingredients"][0]["licence"] == "GPL-3.0-or-later"


def test_one_barred_ingredient_bars_the_whole() -> None:
    assert commercial_use([FREE])["allowed"] is True
    verdict = commercial_use([FREE, BARRED])
    assert verdict["allowed"] is False
    assert "insightface buffalo_l" in verdict["reason"]
    assert "compact" not in verdict["reason"]


def test_replaces_a_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.bin"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["result.bin"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.bin"
    write_whole(path, b"first")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["result.bin"]


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be written"):
        write_whole(tmp_path / "nowhere" / "result.bin", b"x")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="could not be made"):
        make_folder(tmp_path / "file" / "maps")

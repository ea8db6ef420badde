# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on each photo, also where a file can't be read or none can be used."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d import cli


@pytest.fixture
def photos(tmp_path: Path, portrait: np.ndarray) -> list[str]:
    """No picture, a plain wall, a portrait."""
    (tmp_path / "note.jpg").write_text("milk, eggs")
    Image.new("RGB", (300, 300), (120, 140, 160)).save(tmp_path / "wall.png")
    Image.fromarray(portrait).save(tmp_path / "portrait.png")
    return [str(tmp_path / name) for name in ("note.jpg", "wall.png", "portrait.png")]


def test_each_photo_gets_a_verdict_in_its_place(
    photos: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *photos, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["photos"]
    assert [row["path"] for row in rows] == photos
    assert [row["verdict"] for row in rows] == ["unusable", "unusable", "usable"]
    assert [found["kind"] for row in rows for found in row["findings"]] == ["unreadable", "no face"]
    assert "not a picture" in rows[0]["findings"][0]["reason"]
    assert rows[0]["findings"][0]["advice"].endswith("file.")
    assert photos[0] not in rows[0]["findings"][0]["reason"]


def test_none_usable_is_an_answer_too(
    photos: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *photos[:2]]) == 0
    said = capsys.readouterr().out
    assert "unusable  wall.png" in said and "no face was found. Choose" in said

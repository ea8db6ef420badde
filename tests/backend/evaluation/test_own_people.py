# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes part, with which photographs, and what is said of the others."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.evaluation.judges import Dlib
from idto3d.evaluation.own_people import (
    FACE_SIZE,
    HELD_BACK,
    folders_of,
    made_from,
    read_people,
)

EXAMPLES = sorted((ASSETS / "example").glob("*.jpg"))


def person(people: Path, name: str, photos: list[Path]) -> Path:
    folder = people / name
    folder.mkdir(parents=True)
    for number, photo in enumerate(photos):
        shutil.copy(photo, folder / f"{number}.jpg")
    return folder


@pytest.mark.parametrize(
    ("count", "most", "made", "held"),
    [(2, 5, "0", "1"), (3, 5, "02", "1"), (5, 3, "024", "13"), (5, 1, "0", "13"),
     (12, 5, "02468", "13579b")],
)  # fmt: skip
def test_every_second_photograph_is_held_back(count: int, most: int, made: str, held: str) -> None:
    """Whatever the heads are made from, they are compared with the same."""
    names = "0123456789ab"[:count]
    assert names[made_from(most)] == made
    assert names[HELD_BACK] == held


def test_who_takes_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ada = person(tmp_path, "Ada", EXAMPLES[:3])
    (ada / "note.jpg").write_text("milk, eggs")
    (ada / ".hidden").write_text("of a file manager")
    Image.new("RGB", (300, 300), (120, 140, 160)).save(ada / "wall.png")
    person(tmp_path, "Bob", [EXAMPLES[0], EXAMPLES[0]])
    person(tmp_path, "Cleo", EXAMPLES[:1])
    (tmp_path / "empty").mkdir()

    assert [folder.name for folder in folders_of(tmp_path)] == ["Ada", "Bob", "Cleo"]
    (found,) = read_people(tmp_path, [Dlib()])
    assert found.name == "Ada"
    assert [photo.name for photo in found.photos] == ["0.jpg", "1.jpg", "2.jpg"]
    embeddings = found.embeddings["dlib"]
    assert embeddings.shape == (3, 128)
    assert np.linalg.norm(embeddings[0] - embeddings[1:], axis=1).max() < 0.5
    assert found.face.shape == (FACE_SIZE, FACE_SIZE, 3) and found.face.std() > 20

    said = capsys.readouterr().out
    assert "Ada: wall.png is left out: no face was found. Choose a sharp photo" in said
    assert "note.jpg is not a picture" in said and "hidden" not in said
    assert "Bob: 1.jpg is left out: there is a copy of it." in said
    assert "Bob is left out: 1 photograph can be used, and two are needed." in said
    assert "Cleo is left out: 1 photograph can be used" in said


def test_folders_that_hold_nobody(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder .*nowhere"):
        read_people(tmp_path / "nowhere", [])
    shutil.copy(EXAMPLES[0], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no subfolders with photographs"):
        read_people(tmp_path, [])
    person(tmp_path, "Cleo", EXAMPLES[:1])
    with pytest.raises(UserError, match="Nobody in .* has two photographs"):
        read_people(tmp_path, [])

# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of people becomes requests; what is wrong with it is said with the row."""

from pathlib import Path

import pytest

from idto3d.batch.people import folder_name, read_people
from idto3d.errors import UserError
from idto3d.job.protocol import Request

DEFAULTS = Request((), ("smile",), preset="standard", seed=7, device="cpu")


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_full_row(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "Name,photos,expressions,preset,seed,device,prior,identity_model,description,consent\n"
        'Ada Lovelace,a.jpg; b.jpg,jaw_open;jaw_open,paper,3,cuda,sd,arc,"grey hair, old",Yes\n',
        "utf-8-sig",  # as spreadsheets write it
    )
    (row,) = read_people(path, DEFAULTS)
    assert (row.number, row.name, row.folder, row.error) == (2, "Ada Lovelace", "Ada-Lovelace", "")
    assert row.request == Request(
        photos=(str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")),
        expressions=("jaw_open",),
        name="Ada Lovelace",
        preset="paper",
        seed=3,
        device="cuda",
        prior=str(tmp_path / "sd"),
        identity_model=str(tmp_path / "arc"),
        description="grey hair, old",
        consent=True,
    )


def test_empty_cells_take_the_defaults(tmp_path: Path) -> None:
    path = table(tmp_path, "photos,name,seed,preset\n/p/a.jpg,Ada,,\n\n/p/b.jpg,Bob,0\n")
    ada, bob = read_people(path, DEFAULTS)
    assert ada.request == Request(
        ("/p/a.jpg",), ("smile",), "Ada", preset="standard", seed=7, device="cpu"
    )
    assert bob.number == 4 and bob.request is not None and bob.request.seed == 0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (",a.jpg,", "Row 2 has no name"),
        ("Ada, ; ,", r"Row 2 \(Ada\) names no photos"),
        ("Ada,a.jpg,x", r"Row 2 \(Ada\): the seed 'x' is no whole number"),
        ("Ada,a.jpg,1,old, grey", "Row 2 has 5 cells for 3 columns"),
    ],
)
def test_bad_rows_leave_the_others_alone(tmp_path: Path, line: str, sentence: str) -> None:
    path = table(tmp_path, f"name,photos,seed\n{line}\nBob,b.jpg,\n")
    bad, good = read_people(path, DEFAULTS)
    assert bad.request is None and good.request is not None
    with pytest.raises(UserError, match=sentence):
        raise UserError(bad.error)


def test_consent_is_yes_or_no(tmp_path: Path) -> None:
    path = table(tmp_path, "name,photos,consent\nAda,a.jpg,perhaps\n")
    assert "consent is 'perhaps'" in read_people(path, DEFAULTS)[0].error


def test_two_of_one_name(tmp_path: Path) -> None:
    """A disk may not tell capitals apart."""
    path = table(tmp_path, "name,photos\nAda L,a.jpg\nBob,b.jpg\nada  l,c.jpg\n")
    first, _, second = read_people(path, DEFAULTS)
    assert first.request is not None and second.request is None
    assert second.error.startswith("Row 4 has the same name as row 2.")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name\nAda\n", "no column photos"),
        ("", "no column name and no column photos"),
        ("name,photos,hair\nAda,a.jpg,red\n", "unknown column 'hair'"),
        ("name,photos,name\nAda,a.jpg,Ada\n", "twice a column 'name'"),
        ("name;photos\nAda;a.jpg\n", "separated by semicolons"),
        ("name,photos\n", "holds nobody"),
        ('name,photos\nAda,a.jpg\nBob,"b.jpg\n', "Row 3 of .* is no line of CSV"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_people(table(tmp_path, text), DEFAULTS)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        read_people(tmp_path / "nobody.csv", DEFAULTS)
    with pytest.raises(UserError, match="not UTF-8"):
        read_people(table(tmp_path, "name,photos\nJosé,a.jpg\n", "latin-1"), DEFAULTS)


def test_names_become_folders() -> None:
    assert folder_name("../José  Ñ. / x") == "José-Ñ.-x"
    assert folder_name("...") == ""

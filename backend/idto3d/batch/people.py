# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of people: a CSV file, one row for each head, to requests."""

import csv
import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d.job.protocol import Request

REQUIRED = ("name", "photos")
OPTIONAL = (
    "expressions",
    "preset",
    "seed",
    "device",
    "prior",
    "identity_model",
    "description",
    "consent",
)
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class Row:
    """One person of the table."""

    number: int  # the line of the file, as a spreadsheet counts: 2 is the first person
    name: str
    folder: str  # of the job, inside the batch's folder
    request: Request | None  # None where the row can't be read
    error: str = ""  # the sentence on why not


def read_people(path: Path, defaults: Request) -> list[Row]:
    """Read a UTF-8 CSV with a heading line; empty cells take the value of `defaults`.

    Lists inside a cell (photos, expressions) are separated by semicolons. Relative paths start at
    the table's folder. A row that can't be read comes with its error in place of a request.

    Raises UserError when the table itself can't be used: no file, no or unknown columns, no rows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(
            f"The table {path} can't be read ({reason}). Check its path and save it as UTF-8 CSV."
        ) from error
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    lines = _lines(reader, path)
    heading = [cell.strip().lower() for cell in next(lines, (1, []))[1]]
    _check_heading(heading, path)
    rows: list[Row] = []
    taken: dict[str, int] = {}
    for number, cells in lines:
        row = _row(number, cells, heading, path.absolute().parent, defaults)
        first = taken.setdefault(row.folder.lower(), number)
        if row.request is not None and first != number:
            row = dataclasses.replace(
                row,
                request=None,
                error=f"Row {number} has the same name as row {first}. "
                "Give every person a name of their own.",
            )
        rows.append(row)
    if not rows:
        raise UserError(f"The table {path} holds nobody. Write one person a row below the heading.")
    return rows


def folder_name(name: str) -> str:
    """A name as part of a path on every system: `Ada Lovelace` -> `Ada-Lovelace`."""
    return re.sub(r"[^\w.]+", "-", name).strip("-.")


def _lines(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells, without the empty lines."""
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"Row {number} of {path} is no line of CSV ({error}). Check its quotation marks."
        ) from error


def _check_heading(heading: list[str], path: Path) -> None:
    if len(heading) == 1 and ";" in heading[0]:
        raise UserError(
            f"The columns of {path} are separated by semicolons, which separate photos here. "
            "Save it with commas between the columns."
        )
    missing = [name for name in REQUIRED if name not in heading]
    if missing:
        raise UserError(
            f"The table {path} has no column {' and no column '.join(missing)}. "
            f"Its first line must name the columns, for example {','.join(REQUIRED)},expressions."
        )
    known = (*REQUIRED, *OPTIONAL)
    for name in heading:
        if name not in known or heading.count(name) > 1:
            problem = "twice a column" if name in known else "an unknown column"
            raise UserError(
                f"The table {path} has {problem} '{name}'. Known are {', '.join(known)}."
            )


def _row(number: int, cells: list[str], heading: list[str], base: Path, defaults: Request) -> Row:
    values = dict(zip(heading, (cell.strip() for cell in cells), strict=False))
    name = values.get("name", "")
    folder = folder_name(name)

    def refused(sentence: str) -> Row:
        return Row(number, name, folder, None, f"Row {number}{sentence}")

    if len(cells) > len(heading):
        return refused(
            f" has {len(cells)} cells for {len(heading)} columns. "
            "Put text that holds a comma in quotation marks."
        )
    if not folder:
        return refused(" has no name. Write the person's name in its first column.")
    if not _words(values.get("photos", "")):
        return refused(f" ({name}) names no photos. Write their paths, separated by semicolons.")
    changes: dict[str, Any] = {"name": name}
    try:
        for column in (column for column, value in values.items() if value and column != "name"):
            changes[column] = _READERS[column](values[column], base)
    except ValueError as error:
        return refused(f" ({name}): {error}")
    return Row(number, name, folder, dataclasses.replace(defaults, **changes))


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(";")) if word]


def _whole(text: str, base: Path) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"the seed '{text}' is no whole number. Write one, such as 0.") from None


def _consent(text: str, base: Path) -> bool:
    if text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    raise ValueError(f"consent is '{text}'. Write yes or no.")


def _path(text: str, base: Path) -> str:
    return str(base / text)


def _text(text: str, base: Path) -> str:
    return text


_READERS: dict[str, Callable[[str, Path], Any]] = {
    "photos": lambda text, base: tuple(str(base / word) for word in _words(text)),
    "expressions": lambda text, base: tuple(dict.fromkeys(_words(text))),
    "preset": _text,
    "seed": _whole,
    "device": _text,
    "prior": _path,
    "identity_model": _path,
    "description": _text,
    "consent": _consent,
}

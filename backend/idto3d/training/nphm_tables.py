# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person must add to scans: who is on them, and which expression each one shows.

Two CSV files. Their first version is written by us with what the folder tells; the rest is filled
in with a spreadsheet, and words left empty are left out of the captions.

    people.csv        subject,gender,age,ethnicity,hairstyle,held_out
    expressions.csv   subject,expression,name     subject * = everybody; name of our vocabulary
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from idto3d.errors import UserError
from idto3d.job.preflight import check_expression
from idto3d.prior.captions import portrait_caption
from idto3d.training.nphm import Scan

PEOPLE, EXPRESSIONS = "people.csv", "expressions.csv"
_PEOPLE = ("subject", "gender", "age", "ethnicity", "hairstyle", "held_out")
_EXPRESSIONS = ("subject", "expression", "name")
EVERYBODY = "*"
HELD_OUT_EVERY = 10  # in the first version of the table


@dataclass(frozen=True)
class Subject:
    """One row of people.csv; words as they go into captions, "" where unknown."""

    number: int
    gender: str  # "man", "woman"
    age: str  # "young", "middle aged", "old"
    ethnicity: str  # "asian", ...
    hairstyle: str  # "short dark hair", ...
    held_out: bool  # never trained on

    def caption(self, view: str, keep: Sequence[bool]) -> str:
        """The paper's caption; `keep` (4,) drops age, ethnicity, gender, hairstyle one by one."""
        words = (self.age, self.ethnicity, self.gender, self.hairstyle)
        age, ethnicity, gender, hair = (
            word if kept else "" for word, kept in zip(words, keep, strict=True)
        )
        person = " ".join(word for word in (age, ethnicity, gender or "person") if word)
        return portrait_caption(view, person, hair)


@dataclass(frozen=True)
class Tables:
    """Both tables."""

    people: tuple[Subject, ...]  # a person's place is its number in the data set
    names: dict[tuple[str, int], str]  # (subject or EVERYBODY, expression) -> name

    def expression(self, scan: Scan) -> str | None:
        """The name of what a scan shows; None where nobody has said it."""
        own = self.names.get((str(scan.subject), scan.expression))
        return own or self.names.get((EVERYBODY, scan.expression)) or None


def write_tables(
    folder: Path, scans: Sequence[Scan], guessed: Mapping[int, tuple[str, str]] | None = None
) -> None:
    """Write the first version of both tables; guessed: gender and age of subjects.

    Raises UserError when one is there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subjects = sorted({scan.subject for scan in scans})
    people = [
        [
            subject,
            *(guessed or {}).get(subject, ("", "")),
            "",
            "",
            "yes" if place % HELD_OUT_EVERY == 0 else "no",
        ]
        for place, subject in enumerate(subjects)
    ]
    numbers = sorted({scan.expression for scan in scans})
    expressions = [[EVERYBODY, number, ""] for number in numbers]
    for name, heading, rows in (
        (PEOPLE, _PEOPLE, people),
        (EXPRESSIONS, _EXPRESSIONS, expressions),
    ):
        try:
            with open(folder / name, "x", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([heading, *rows])
        except FileExistsError:
            raise UserError(
                f"{folder / name} is there already. Fill it in, or name another folder."
            ) from None


def read_tables(folder: Path, vocabulary: Sequence[str]) -> Tables:
    """Read both tables. Raises UserError with the line of what is wrong."""
    people = tuple(
        Subject(
            _number(row["subject"], path, line),
            row["gender"].strip().lower(),
            row["age"].strip().lower(),
            row["ethnicity"].strip().lower(),
            row["hairstyle"].strip().lower(),
            _yes(row["held_out"], path, line),
        )
        for path, line, row in _rows(folder / PEOPLE, _PEOPLE)
    )
    names = {}
    for path, line, row in _rows(folder / EXPRESSIONS, _EXPRESSIONS):
        name = row["name"].strip()
        if not name:
            continue
        try:
            check_expression(name, vocabulary)
        except UserError as error:
            raise UserError(f"Line {line} of {path}: {error}") from None
        subject = row["subject"].strip()
        if subject != EVERYBODY:
            subject = str(_number(subject, path, line))
        names[subject, _number(row["expression"], path, line)] = name
    if "neutral" not in names.values():
        raise UserError(
            f"No scan in {folder / EXPRESSIONS} is called neutral. Name at least that expression."
        )
    return Tables(people, names)


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[Path, int, dict[str, str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path} has no column {missing[0]}. Add it to the first line.")
            return [
                (path, reader.line_num, {name: row[name] or "" for name in columns})
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path} can't be read. Write the tables first with --write-tables, then fill them in."
        ) from error


def _number(text: str, path: Path, line: int) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"Line {line} of {path}: '{text}' is no number. Write one.") from None


def _yes(text: str, path: Path, line: int) -> bool:
    word = text.strip().lower()
    if word not in ("yes", "no", ""):
        raise UserError(f"Line {line} of {path}: held_out is '{text}'. Write yes or no.")
    return word == "yes"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages of an environment are whole: each is compared with the list it brought along."""

import base64
import csv
import hashlib
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from .messages import Voice
from .wheels import normalised


@dataclass(frozen=True)
class Installed:
    """A package in an environment."""

    version: str
    whole: bool  # its list of files is there, and so are the files


def examine(site_packages: Path, voice: Voice, sums: bool) -> dict[str, Installed]:
    """The packages in `site_packages` by normalised name.

    Args:
        sums: compare each file's content with its sum, not only its size.
    """
    found = {}
    for item in distributions(path=[str(site_packages)]):
        name = item.metadata["Name"]
        if name:
            voice.check()
            found[normalised(name)] = Installed(item.version, _whole(item, site_packages, sums))
    return found


def _whole(item: Distribution, site_packages: Path, sums: bool) -> bool:
    # pip writes the list last: a package without one was broken off.
    record = item.read_text("RECORD")
    if not record:
        return False
    for row in csv.reader(record.splitlines()):
        if len(row) == 3 and row[1] and not _as_recorded(site_packages / row[0], row, sums):
            return False
    return True


def _as_recorded(path: Path, row: list[str], sums: bool) -> bool:
    _, digest, size = row
    try:
        if size and path.stat().st_size != int(size):
            return False
        kind, _, wanted = digest.partition("=")
        if not sums or kind not in hashlib.algorithms_guaranteed:
            return path.is_file()
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, kind).digest()
    except (OSError, ValueError):
        return False
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == wanted

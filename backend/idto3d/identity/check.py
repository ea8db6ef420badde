# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d check PHOTOS`: the verdict on each photograph before anything is computed."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from idto3d.assets import PRIOR
from idto3d.errors import UserError
from idto3d.identity.detect import find_faces
from idto3d.identity.encoders import Encoder, Finder, open_encoder, open_finder
from idto3d.identity.person import judge_photos
from idto3d.identity.photos import Photo, read_photo
from idto3d.identity.verdicts import Finding, Severity, Verdict
from idto3d.prior.manifest import read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d check`."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--prior", type=Path, default=PRIOR, metavar="DIR", help="judge for another prior"
    )
    parser.add_argument("--identity-model", metavar="FILE", help="as for generate")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the verdicts; 0 whatever they are, as they are the answer."""
    name = read_manifest(arguments.prior).identity_encoder
    encoder = open_encoder(name, arguments.identity_model)
    verdicts = check(arguments.photos, encoder, open_finder(name, arguments.identity_model))
    print(as_json(verdicts) if arguments.json else as_text(verdicts))
    return 0


def check(paths: Sequence[Path], encoder: Encoder, finder: Finder = find_faces) -> list[Verdict]:
    """A verdict for each path, in order; a file that can't be read gets one that says so."""
    photos: list[Photo] = []
    unreadable: dict[int, Verdict] = {}
    for row, path in enumerate(paths):
        try:
            photos.append(read_photo(path))
        except UserError as error:
            reason, _, advice = str(error).rpartition(". ")
            reason = reason.replace(str(path), path.name)
            finding = Finding("unreadable", Severity.UNUSABLE, reason, advice)
            unreadable[row] = Verdict(path, (finding,))
    judged = iter(judge_photos(photos, encoder, finder=finder) if photos else ())
    return [unreadable[row] if row in unreadable else next(judged) for row, _ in enumerate(paths)]


def as_json(verdicts: Sequence[Verdict]) -> str:
    """`{"version": 1, "photos": [{"path", "verdict", "findings": [...]}]}`, for a program.

    A verdict is the worst severity in lower case: usable, warning or unusable.
    """
    rows = [
        {
            "path": str(verdict.path),
            "verdict": verdict.severity.name.lower(),
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity.name.lower(),
                    "reason": finding.reason,
                    "advice": finding.advice,
                }
                for finding in verdict.findings
            ],
        }
        for verdict in verdicts
    ]
    return json.dumps({"version": 1, "photos": rows}, indent=2, ensure_ascii=False)


def as_text(verdicts: Sequence[Verdict]) -> str:
    """A line a photo, its findings below."""
    lines = []
    for verdict in verdicts:
        lines.append(f"{verdict.severity.name.lower():<8}  {verdict.path.name}")
        for finding in verdict.findings:
            lines.append(f"{'':<8}  {finding.reason}. {finding.advice}".replace("..", "."))
    return "\n".join(lines)

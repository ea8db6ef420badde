# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d evaluate photos PEOPLE`: likeness on the user's own photographs, by face recognition.

Real people have no true head to measure against, so their heads are compared with other photographs
of them: by whom two recognisers take each head for, from nine sides. Of each person in PEOPLE, a
folder with a subfolder of photographs for everybody, every second photograph is held back for that.

    DIR/heads/NAME/              the job of each person, its result folder included
    DIR/settings.json            what all heads were generated with
    DIR/photos.json, photos.txt  figures, and the same as tables
    DIR/photos.png               contact sheet
    DIR/plots/                   figures as a picture, where matplotlib is installed
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d.errors import UserError
from idto3d.evaluation import head_jobs
from idto3d.evaluation.sitters import training_packages
from idto3d.job.protocol import JobFolder

if TYPE_CHECKING:
    from idto3d.evaluation.own_people import OwnPerson

PRIVACY = (
    "Photographs are read where they lie. DIR shows them for you to look at in two places only: "
    "their faces on the contact sheet photos.png, and on the overview.png of each head."
)


@dataclass(frozen=True)
class OwnHead:
    """A person and where the head is made; a `head_jobs.HeadJob`."""

    person: "OwnPerson"
    photos: tuple[Path, ...]  # that the head is made from
    job: JobFolder

    @property
    def name(self) -> str:
        return self.person.name

    @property
    def finished(self) -> bool:
        """Raises UserError when the head was begun from other photographs: it may have been shown
        those that are held back now."""
        if self.job.request.is_file():
            before = [Path(photo).name for photo in self.job.read_request().photos]
            if before != [photo.name for photo in self.photos]:
                raise UserError(
                    "The photographs are others than when this head was begun. "
                    "Delete its folder to have it made anew, or name another --output."
                )
        return self.job.head.is_file()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate photos`."""
    parser.description = (
        "Generate heads from photographs of people and ask face recognisers whether they are like "
        f"other photographs of the same people. {PRIVACY}"
    )
    parser.add_argument(
        "people",
        type=Path,
        metavar="PEOPLE",
        help="folder with a subfolder for each person, which holds the person's photographs, two "
        "at least; every second one, by name, is held back to compare with",
    )
    head_jobs.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Generate and measure; prints the table and returns the exit code.

    Raises UserError for bad input, Cancelled when the person asks to stop.
    """
    # Before minutes are spent on heads.
    with training_packages():
        from idto3d.evaluation.photo_report import write_report
    from idto3d.evaluation.judges import MISSING, judges
    from idto3d.evaluation.own_people import made_from, read_people

    who = judges()
    people = read_people(arguments.people, who)
    population = {"people": str(arguments.people.absolute())}
    settings = head_jobs.agreed_settings(arguments, population)
    if all(judge.optimised_with for judge in who):
        print(MISSING)
    chosen = made_from(settings["photos"])
    heads = [
        OwnHead(each, each.photos[chosen], JobFolder(arguments.output / "heads" / each.name))
        for each in people
    ]

    names = [head.name for head in heads]

    def make(head: OwnHead) -> None:
        if not head.finished:
            print(f"Head {names.index(head.name) + 1} of {len(names)}: {head.name}", flush=True)
            head_jobs.generate_head(head.job, head.name, head.photos, arguments.device, settings)

    def report() -> None:
        write_report(arguments.output, heads, who, settings)
        print(PRIVACY)

    return head_jobs.work_through(heads, make, report, arguments)

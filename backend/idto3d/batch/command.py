# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d batch people.csv --output DIR`: heads of a table of people, one after another.

Run it again and it goes on: finished heads are kept, unfinished ones resumed. A row that can't be
used or fails does not stop the others.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from idto3d import options
from idto3d.asset.files import make_folder
from idto3d.batch.heads import RESUME, prepare, work
from idto3d.batch.people import Row, read_people
from idto3d.batch.report import (
    DONE,
    KEPT,
    STOPPED,
    WAITING,
    Outcome,
    as_table,
    write_report,
    write_sheet,
)
from idto3d.job.protocol import Cancelled

# Works on prepared rows in a folder; yields an outcome for each that ends, in any order.
Workers = Callable[[Path, Sequence[Row]], Iterator[Outcome]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d batch`; what a row leaves empty is taken from them."""
    parser.add_argument(
        "people",
        type=Path,
        metavar="PEOPLE.CSV",
        help="a row a person; columns name, photos (separated by ;) and, if wanted, expressions, "
        "preset, seed, device, prior, identity_model, description, consent",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="of all jobs")
    options.add_request_options(parser)
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="on a Ray cluster, one head a GPU: host:port, auto, or local for this machine alone",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the heads; returns 0 when all are there, 1 otherwise.

    Raises UserError for a table, folder or cluster that can't be used, Cancelled after Ctrl-C.
    """
    rows = read_people(arguments.people, options.request_from(arguments))
    make_folder(arguments.output)
    outcomes = make_heads(arguments.output, rows, _workers(arguments.ray, arguments.offline), print)
    print(as_table(outcomes))
    if write_sheet(arguments.output, outcomes):
        print(f"All heads on one sheet: {arguments.output / 'heads.png'}")
    if any(outcome.state in (STOPPED, WAITING) for outcome in outcomes):
        print("Stopped. The same command goes on.")
        raise Cancelled
    return 0 if all(outcome.state in (DONE, KEPT) for outcome in outcomes) else 1


def make_heads(
    root: Path, rows: Sequence[Row], workers: Workers, say: Callable[[str], None]
) -> list[Outcome]:
    """Prepare all rows, let `workers` work on those that need it; `batch.json` follows each end.

    Returns an outcome for each row, in the table's order.
    """
    known: dict[int, Outcome] = {}
    to_do: list[Row] = []
    for row in rows:
        outcome = prepare(root, row)
        if outcome is None:
            to_do.append(row)
            outcome = Outcome(row.number, row.name, row.folder, WAITING)
        elif outcome.state != KEPT:
            say(outcome.message)
        known[row.number] = outcome
    write_report(root, list(known.values()))
    for ended, outcome in enumerate(workers(root, to_do), start=1):
        known[outcome.row] = outcome
        write_report(root, list(known.values()))
        say(f"[{ended}/{len(to_do)}] {outcome.name}: {outcome.state}. {outcome.message}".rstrip())
    return list(known.values())


def one_after_another(program: Sequence[str], root: Path, rows: Iterable[Row]) -> Iterator[Outcome]:
    """A process for each row, on this machine; ends after the row that the person stopped."""
    for row in rows:
        outcome = work(root, row, program)
        yield outcome
        if outcome.state == STOPPED:
            return


def _workers(ray_address: str | None, offline: bool) -> Workers:
    if ray_address is None:
        return partial(one_after_another, (*RESUME, "--offline") if offline else RESUME)
    from idto3d.batch.ray_cluster import run_on_ray
    from idto3d.job.head import make_head

    return lambda root, rows: run_on_ray(ray_address, root, rows, make_head)

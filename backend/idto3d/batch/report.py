# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each person of a batch: `batch.json`, a table for people, one sheet of heads."""

import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from idto3d.asset.files import write_whole
from idto3d.job.protocol import JobFolder
from idto3d.job.terminal import duration

# done: made now. kept: finished in an earlier run. refused: the row or its photos can't be used.
# failed: the work ended with an error. stopped: on request, can go on. waiting: not begun.
DONE, KEPT, REFUSED, FAILED, STOPPED, WAITING = (
    "done",
    "kept",
    "refused",
    "failed",
    "stopped",
    "waiting",
)
SHEET_WIDTH, SHEET_HEIGHT, HEADING = 960, 360, 24  # pixels of a head's row at most


@dataclass(frozen=True)
class Outcome:
    """What became of one row."""

    row: int  # line of the table
    name: str
    folder: str  # of the job, inside the batch's folder
    state: str
    seconds: float = 0.0  # of this run
    memory: int = 0  # bytes at most, where the worker said it
    gpu_memory: int = 0  # bytes at most
    message: str = ""  # cause and remedy, where there is no head


def write_report(root: Path, outcomes: Sequence[Outcome]) -> None:
    """Write `batch.json` in `root`: `{"version": 1, "heads": [Outcome, ...]}`."""
    rows = [dataclasses.asdict(outcome) for outcome in outcomes]
    text = json.dumps({"version": 1, "heads": rows}, indent=1, ensure_ascii=False) + "\n"
    write_whole(root / "batch.json", text.encode("utf-8"))


def as_table(outcomes: Sequence[Outcome]) -> str:
    """One line a person, the sum at the end."""
    head = ("row", "name", "state", "time", "")
    cells = [
        (
            str(outcome.row),
            outcome.name,
            outcome.state,
            duration(outcome.seconds) if outcome.seconds >= 0.5 else "",
            outcome.message or (outcome.folder if outcome.state in (DONE, KEPT) else ""),
        )
        for outcome in outcomes
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(4)]
    lines = [
        "  ".join(
            text.ljust(width) for text, width in zip(line, (*widths, 0), strict=True)
        ).rstrip()
        for line in (head, *cells)
    ]
    made = sum(outcome.state in (DONE, KEPT) for outcome in outcomes)
    return "\n".join([*lines, f"{made} of {len(cells)} heads are there."])


def write_sheet(root: Path, outcomes: Sequence[Outcome]) -> bool:
    """Write `heads.png` in `root`, the overviews of all finished heads below each other.

    Returns False and writes nothing when no head has an overview.
    """
    rows = []
    for outcome in outcomes:
        path = JobFolder(root / outcome.folder).result / "overview.png"
        if outcome.state in (DONE, KEPT) and path.is_file():
            with Image.open(path) as picture:
                small = picture.convert("RGB")
            small.thumbnail((SHEET_WIDTH, SHEET_HEIGHT), Image.Resampling.LANCZOS)
            rows.append((outcome.name, small))
    if not rows:
        return False
    size = (max(row.width for _, row in rows), sum(row.height + HEADING for _, row in rows))
    page = Image.new("RGB", size, (250, 250, 250))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    top = 0
    for name, row in rows:
        draw.text((8, top + 4), name, fill=(40, 40, 40), font=font)
        page.paste(row, (0, top + HEADING))
        top += row.height + HEADING
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    write_whole(root / "heads.png", buffer.getvalue())
    return True

# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d resume` with a counter in the algorithm's place: python -m ... FOLDER. Loads no torch."""

import sys
import time
from pathlib import Path

from idto3d.errors import UserError
from idto3d.job import worker
from idto3d.job.protocol import Cancelled, JobFolder, Request
from idto3d.job.reporter import Reporter

STEPS = 40


def generate(request: Request, folder: JobFolder, reporter: Reporter) -> None:
    """Count to STEPS, a checkpoint at each step; finds no face where the description says so."""
    if request.description == "a wall":
        raise UserError("No photo shows a face. Take one from the front.")
    if request.description == "a mistake":
        raise ZeroDivisionError("oops")
    folder.checkpoint.mkdir(exist_ok=True)
    checkpoint = checkpoint_of(folder)
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    reporter.stage("toy", STEPS)
    for step in range(first, STEPS):
        time.sleep(request.overrides.get("pause", 0.0))
        temporary = checkpoint.with_suffix(".tmp")
        temporary.write_text(str(step + 1))
        temporary.replace(checkpoint)
        reporter.step(step + 1)
        if reporter.should_stop():
            raise Cancelled
    folder.result.mkdir(exist_ok=True)
    folder.head.write_text(f"{request.name} from step {first}")


def checkpoint_of(folder: JobFolder) -> Path:
    """Where the counter is kept."""
    return folder.checkpoint / "step.txt"


if __name__ == "__main__":
    try:
        worker.run(JobFolder(Path(sys.argv[1])), generate)
    except Cancelled:
        sys.exit(130)
    except (UserError, worker.InternalError):
        sys.exit(2)

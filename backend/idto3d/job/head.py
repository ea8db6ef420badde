# SPDX-License-Identifier: GPL-3.0-or-later
"""The algorithm as a worker runs it: checked and loaded only when the job's log is open."""

from idto3d.job.preflight import check_request
from idto3d.job.protocol import JobFolder, Request
from idto3d.job.reporter import Reporter


def make_head(request: Request, folder: JobFolder, reporter: Reporter) -> None:
    """Make the requested head in `folder`; a `worker.Generate`.

    With the lock held and the log open: whoever watches the folder sees that the worker lives
    while its libraries load, and why it gives up.
    """
    reporter.status("Starting")
    check_request(request)
    from idto3d.generate import generate

    generate(request, folder, reporter)

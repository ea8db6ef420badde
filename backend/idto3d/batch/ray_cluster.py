# SPDX-License-Identifier: GPL-3.0-or-later
"""The heads of a batch on a Ray cluster: one head a GPU, or a CPU where the cluster has no GPU.

Every machine of the cluster must see the photos, the prior and the output folder at the same paths
(a shared disk) and have this program installed. A worker that dies, with its machine or alone, is
started again elsewhere and goes on from the job's last checkpoint.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from idto3d.batch.heads import outcome_of
from idto3d.batch.people import Row
from idto3d.batch.report import WAITING, Outcome
from idto3d.errors import UserError
from idto3d.job import worker
from idto3d.job.protocol import Cancelled, JobFolder

RETRIES = 3  # of a head whose worker died
STOP_SECONDS = 120.0  # for workers to save their checkpoints after Ctrl-C


def run_on_ray(
    address: str, root: Path, rows: Sequence[Row], generate: worker.Generate
) -> Iterator[Outcome]:
    """Work on prepared job folders of `root`; yields each outcome when its head ends.

    address: of a cluster ("host:6379", "auto" for the one this machine is part of), or "local" for
    a cluster of this machine alone. generate: the algorithm, importable on every machine.

    Raises UserError when ray is missing or the cluster doesn't answer.
    """
    ray = _connect(address)
    try:
        has_gpus = ray.cluster_resources().get("GPU", 0) >= 1
        # max_calls: a process for each head, so that its GPU memory is free afterwards.
        task = ray.remote(
            num_cpus=1, num_gpus=1 if has_gpus else 0, max_calls=1, max_retries=RETRIES
        )(make_head)
        running = {task.remote(root, row, generate): row for row in rows}
        yield from _collect(ray, root, running)
    finally:
        ray.shutdown()


def make_head(root: Path, row: Row, generate: worker.Generate) -> Outcome:
    """Work on one job folder in this process; every end of it is in the log and in the outcome."""
    began = time.monotonic()
    with suppress(UserError, Cancelled, worker.InternalError):  # the log tells of them
        worker.run(JobFolder(root / row.folder), generate)
    return outcome_of(root, row, time.monotonic() - began)


def _collect(ray: Any, root: Path, running: dict[Any, Row]) -> Iterator[Outcome]:
    left = dict(running)
    deadline = None
    while left and (deadline is None or time.monotonic() < deadline):
        try:
            ready, _ = ray.wait(list(left), timeout=1.0)
            for reference in ready:
                row = left.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError:
                    yield _without_worker(root, row)
        except KeyboardInterrupt:
            deadline = time.monotonic() + STOP_SECONDS
            for reference, row in left.items():
                JobFolder(root / row.folder).cancel.touch()
                ray.cancel(reference, force=False)
    for row in left.values():
        yield _without_worker(root, row)


def _without_worker(root: Path, row: Row) -> Outcome:
    """What became of a head whose task was cancelled, or died more often than it is tried."""
    if JobFolder(root / row.folder).events.exists():
        return outcome_of(root, row, 0.0)
    return Outcome(row.number, row.name, row.folder, WAITING)


def _connect(address: str) -> Any:
    # Ray reports its use to its makers unless told otherwise before it is loaded.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise UserError(
            "A Ray cluster needs the package ray, which is not installed. "
            "Install it with: pip install 'idto3d[cluster]'"
        ) from None
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False)
    # Ray raises plain exceptions of several kinds here.
    except Exception as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"There is no Ray cluster at {address} ({line}). "
            "Start one with 'ray start --head', or check the address."
        ) from error
    return ray

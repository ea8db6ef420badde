# SPDX-License-Identifier: GPL-3.0-or-later
"""A small optimisation in the place of the algorithm: stages, checkpoints, a result, a stop."""

import json
import time
from pathlib import Path

import torch

from idto3d.job.checkpoints import Checkpoints
from idto3d.job.protocol import Cancelled, JobFolder, Request
from idto3d.job.reporter import Reporter

STEPS = 60


def make_job(root: Path, **values: object) -> JobFolder:
    """A job folder with a request whose one photo exists."""
    folder = JobFolder(root)
    root.mkdir(parents=True)
    photo = root.parent / "photo.jpg"
    photo.write_bytes(b"photo")
    folder.write_request(Request(photos=(str(photo),), expressions=("smile",), **values))
    return folder


def generate(request: Request, folder: JobFolder, reporter: Reporter) -> None:
    """Fit 8 numbers to noisy targets with Adam, a checkpoint at every step."""
    generator = torch.Generator().manual_seed(request.seed)
    weights = torch.zeros(8, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.05)
    checkpoints = Checkpoints(folder.checkpoint, interval_seconds=0.0)
    first = 0
    if (state := checkpoints.load()) is not None:
        first = state["step"]
        generator.set_state(state["generator"])
        optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            weights.copy_(state["weights"])
    reporter.stage("toy", STEPS)
    for step in range(first, STEPS):
        target = torch.randn(8, generator=generator)
        loss = (weights - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        reporter.step(step + 1, loss=loss.item())
        if checkpoints.due():
            checkpoints.save(
                {
                    "step": step + 1,
                    "generator": generator.get_state(),
                    "optimizer": optimizer.state_dict(),
                    "weights": weights,
                }
            )
        time.sleep(request.overrides.get("pause", 0.0))
        if reporter.should_stop():
            raise Cancelled
    folder.result.mkdir(exist_ok=True)
    folder.head.write_text(json.dumps(weights.tolist()))

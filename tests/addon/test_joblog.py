# SPDX-License-Identifier: GPL-3.0-or-later
"""The log for people has what happened, and not every step."""

from pathlib import Path

from tests.addon import extension

joblog = extension.load("addon.joblog")
protocol = extension.load("backend.idto3d.job.protocol")


def test_log(tmp_path: Path) -> None:
    folder = protocol.JobFolder(tmp_path)
    messages = [
        protocol.Started(12),
        protocol.Status("Looking"),
        *(protocol.Progress("geometry", step, 10) for step in range(11)),
        protocol.Warned("Small face."),
        protocol.Preview("preview/1.glb"),
        protocol.Failed("No face.", "Take another photo."),
    ]
    lines = [protocol.encode(message, 1e9) for message in messages]
    folder.events.write_text("\n".join([*lines, "{broken", ""]))
    folder.log.write_text("Traceback of a mistake\n")
    text = joblog.readable_log(folder)
    said = [line[10:] for line in text.splitlines()[2:9]]
    assert said == [
        "Started as process 12",
        "Looking",
        "geometry: 0 of 10",
        "geometry: 10 of 10",
        "Warning: Small face.",
        "Failed: No face. Take another photo.",
        "ould not be read)",
    ]
    assert text.endswith("worker.log:\nTraceback of a mistake\n")


def test_job_that_never_spoke(tmp_path: Path) -> None:
    assert joblog.readable_log(protocol.JobFolder(tmp_path)).endswith("worker.log:\n(empty)\n")

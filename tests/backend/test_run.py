# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of a stage: it counts, and ends early when the person wants to keep what there is."""

import dataclasses
from pathlib import Path

import pytest
import torch

from idto3d.job.checkpoints import Checkpoints
from idto3d.job.protocol import Cancelled, JobFolder, Request
from idto3d.prior.memory import MemoryPlan
from idto3d.run import Loop, Run, open_run, replays_denoiser
from idto3d.settings import settings_for
from tests.backend.tiny_job import Recorder


def make_run(root: Path) -> Run:
    folder = JobFolder(root)
    request = Request(photos=("a.jpg",), expressions=(), device="cpu")
    folder.write_request(request)
    return open_run(request, folder, Recorder())


def test_finish_ends_the_stage_and_is_remembered(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    done = []
    for step in Loop(run, "geometry", 10, 2):
        done.append(step)
        if step == 4:
            run.folder.finish.touch()
    assert done == [2, 3, 4]
    assert run.stopped_after == {"geometry": 5}
    assert list(Loop(run, "texture", 3, 0)) == []
    assert run.stopped_after == {"geometry": 5, "texture": 0}
    # A run that was killed afterwards still knows it.
    Checkpoints(tmp_path / "checkpoint").save({"stopped_after": run.stopped_after})
    assert make_run(tmp_path).stopped_after == run.stopped_after


def test_without_a_wish_every_step_is_taken(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert list(Loop(run, "geometry", 3, 1)) == [1, 2]
    assert run.stopped_after == {}


def test_cancel_leaves_a_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.reporter = Recorder(stop_in="geometry", stop_after=1)
    loop, generator = Loop(run, "geometry", 3, 0), torch.Generator()
    run.reporter.stage("geometry", 3)
    run.reporter.step(1)
    with pytest.raises(Cancelled):
        loop.checkpoint_if_due(0, {}, generator)
    saved = Checkpoints(tmp_path / "checkpoint").load()
    assert saved is not None and saved["step"] == 1


def test_photos_may_have_a_prior_of_their_own(tmp_path: Path) -> None:
    """Any text-to-image folder guides the texture's last steps; shape and albedo keep theirs."""
    run = make_run(tmp_path)
    assert run.prior_for("photo") == run.prior_for("albedo") == run.prior_folder
    run.request = dataclasses.replace(run.request, prior="/a", photo_prior="/b")
    assert [str(run.prior_for(domain)) for domain in ("geometry", "albedo", "photo")] == [
        "/a", "/a", "/b"
    ]  # fmt: skip


def test_graphs_are_for_a_gpu_with_memory_to_spare(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.device, run.plan = torch.device("cuda"), MemoryPlan(half=True)
    assert not replays_denoiser(run)  # unless asked
    run = dataclasses.replace(run, settings=settings_for("draft", {"speed.graphs": True}))
    assert not replays_denoiser(dataclasses.replace(run, device=torch.device("cpu")))
    assert replays_denoiser(run)
    for plan in (MemoryPlan(half=True, text_on_cpu=True), MemoryPlan(half=True, micro_batch=1)):
        assert not replays_denoiser(dataclasses.replace(run, plan=plan))
    limited = dataclasses.replace(run.request, vram=8.0)
    assert not replays_denoiser(dataclasses.replace(run, request=limited))
    precise_graphs = {"speed.half": False, "speed.graphs": True}
    # In 32 bits the plan in 16 is one that was stepped down to.
    precise = dataclasses.replace(run, settings=settings_for("draft", precise_graphs))
    assert not replays_denoiser(precise)
    assert replays_denoiser(dataclasses.replace(precise, plan=MemoryPlan()))

# SPDX-License-Identifier: GPL-3.0-or-later
"""The algorithm from photo to glTF with a random prior: what it writes, seeds, stop and resume."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import idto3d.run
from idto3d import cli
from idto3d import generate as algorithm
from idto3d.asset.gltf import read_accessor, read_glb
from idto3d.generate import generate
from idto3d.job.protocol import Cancelled, JobFolder
from idto3d.prior.random_prior import write_random_prior
from tests.backend.tiny_job import TINY, Recorder, make_tiny_job, surface_of, write_materials

ASSET_STEPS = 4  # simplify and bake, surface, pictures, glTF


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("materials")
    write_materials(folder)
    return folder


def assert_same(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    """Bit for bit."""
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert np.array_equal(values, found[name]), name


@pytest.fixture(scope="module")
def finished(materials: Path) -> tuple[JobFolder, Recorder]:
    """A job that ran without interruption."""
    folder, recorder = make_tiny_job(materials / "whole", materials), Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idto3d.run, "PICTURE_SECONDS", 0.0)  # pictures at every step
        generate(folder.read_request(), folder, recorder)
    return folder, recorder


def test_result_files(finished: tuple[JobFolder, Recorder]) -> None:
    folder, _ = finished
    names = {path.relative_to(folder.result).as_posix() for path in folder.result.rglob("*.*")}
    maps = {"maps/albedo.png", "maps/normal.png", "maps/orm.png"}
    pictures = {"overview.png", "turntable.webp"}
    assert names == {"head.glb", "provenance.json", "surface.npz", *pictures, *maps}
    for name in maps:
        with Image.open(folder.result / name) as picture:
            assert picture.size == (64, 64)


def test_stages_and_steps_are_told(finished: tuple[JobFolder, Recorder]) -> None:
    _, recorder = finished
    assert recorder.stages == [("geometry", 4), ("texture", 3), ("asset", ASSET_STEPS)]
    expected = [(name, n + 1) for name, total in recorder.stages for n in range(total)]
    assert recorder.steps == expected
    values = [value for metrics in recorder.metrics for value in metrics.values()]
    assert len(values) == 4 * 3 + 3 * 2 and np.isfinite(values).all()


def test_head_has_its_shapes(finished: tuple[JobFolder, Recorder]) -> None:
    folder, _ = finished
    document, binary = read_glb(folder.head)
    (mesh,) = document["meshes"]
    assert mesh["extras"]["targetNames"] == ["smile"]
    (primitive,) = mesh["primitives"]
    (target,) = primitive["targets"]
    neutral = read_accessor(document, binary, primitive["attributes"]["POSITION"])
    smile = read_accessor(document, binary, target["POSITION"])
    faces = read_accessor(document, binary, primitive["indices"]).reshape(-1, 3)
    assert smile.shape == neutral.shape  # one topology
    parts = len(faces) - 1500
    assert 3500 < parts <= 4000  # teeth and lashes, whatever the head's own number of triangles
    # A head in metres, standing on its neck, that smiles with its mouth and not with its neck.
    assert 0.24 < np.ptp(neutral[:, 1]) < 0.34 and 0.14 < np.ptp(neutral[:, 0]) < 0.24
    motion = np.linalg.norm(smile, axis=1)
    assert motion.max() > 0.005
    assert motion[neutral[:, 1] < 0.05].max() < 0.1 * motion.max()


def test_provenance(finished: tuple[JobFolder, Recorder], materials: Path) -> None:
    folder, _ = finished
    provenance = json.loads((folder.result / "provenance.json").read_text("utf-8"))
    photo = (materials / "portrait.png").read_bytes()
    digest = hashlib.sha256(photo).hexdigest()
    assert provenance["photos"] == [{"name": "portrait.png", "sha256": digest}]
    assert str(materials) not in json.dumps(provenance)  # where they lie is nobody's business
    assert provenance["seed"] == 3
    assert provenance["settings"]["preset"] == "draft"
    for path, value in TINY.items():
        part, name = path.split(".")
        assert provenance["settings"][part][name] == value
    assert {item["kind"] for item in provenance["ingredients"]} == {
        "prior",
        "template",
        "landmarks",
        "identity encoder",
    }
    assert set(provenance["timings_seconds"]) == {"identity", "geometry", "texture", "asset"}
    assert all(seconds > 0 for seconds in provenance["timings_seconds"].values())
    assert provenance["generator"] == f"ID-to-3D for Blender {idto3d.__version__}"


def test_pictures_of_the_work(finished: tuple[JobFolder, Recorder]) -> None:
    folder, recorder = finished
    pictures = [path for path in recorder.pictures if path.stem.startswith("progress")]
    assert len(pictures) == 4 + 3
    # Neutral three times and a smile; shapes alone, then shapes and colours.
    sizes = [Image.open(path).size for path in pictures]
    assert sizes == [(4 * 256, 256)] * 4 + [(4 * 256, 512)] * 3
    meshes = sorted(folder.preview.glob("preview-*.glb"))
    assert len(meshes) == 2  # older ones are taken away
    assert read_glb(meshes[-1])[0]["nodes"][0]["name"] == "head"


@pytest.fixture
def no_overview(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of the result take longer than all the rest here; `finished` has them."""
    for name in ("write_overview", "write_turntable"):
        monkeypatch.setattr(algorithm, name, lambda *arguments: None)


@pytest.mark.usefixtures("no_overview")
def test_finished_job_only_writes_again(finished: tuple[JobFolder, Recorder]) -> None:
    folder, recorder = finished[0], Recorder()
    before = surface_of(folder)
    generate(folder.read_request(), folder, recorder)
    assert recorder.stages == [("asset", ASSET_STEPS)]
    assert_same(before, surface_of(folder))


@pytest.mark.usefixtures("no_overview")
def test_last_steps_may_have_a_prior_of_their_own(
    finished: tuple[JobFolder, Recorder], materials: Path, tmp_path: Path
) -> None:
    """Of another picture size and without a hint, as a Stable Diffusion folder is."""
    write_random_prior(tmp_path / "photo", image_size=32, spatial_hint=False, seed=5)
    folder = make_tiny_job(tmp_path / "job", materials, photo_prior=str(tmp_path / "photo"))
    generate(folder.read_request(), folder, Recorder())
    plain, other = surface_of(finished[0]), surface_of(folder)
    assert np.array_equal(plain["canonical"], other["canonical"])
    assert not np.array_equal(plain["materials"], other["materials"])
    provenance = json.loads((folder.result / "provenance.json").read_text())
    assert "photo prior" in {item["kind"] for item in provenance["ingredients"]}


@pytest.mark.usefixtures("no_overview")
def test_first_steps_may_show_small_pictures(
    finished: tuple[JobFolder, Recorder], materials: Path
) -> None:
    folder = make_tiny_job(
        materials / "coarse", materials, overrides={**TINY, "geometry.coarse_until": 0.5}
    )
    generate(folder.read_request(), folder, Recorder())
    plain, coarse = surface_of(finished[0]), surface_of(folder)
    assert plain["canonical"].shape == coarse["canonical"].shape
    moved = np.abs(plain["canonical"] - coarse["canonical"]).max()
    assert 1e-6 < moved < 0.02


@pytest.mark.usefixtures("no_overview")
def test_other_seed_other_head(finished: tuple[JobFolder, Recorder], materials: Path) -> None:
    other = make_tiny_job(materials / "other", materials, seed=4)
    generate(other.read_request(), other, Recorder())
    first, second = surface_of(finished[0]), surface_of(other)
    assert np.abs(first["canonical"] - second["canonical"]).max() > 1e-5
    assert np.abs(first["materials"] - second["materials"]).max() > 1e-2


@pytest.mark.usefixtures("no_overview")
# While the lattice's surface is shown, at the end of a stage, in the second stage.
@pytest.mark.parametrize(("stage", "step"), [("geometry", 1), ("geometry", 4), ("texture", 2)])
def test_stop_and_resume_is_the_same_head(
    finished: tuple[JobFolder, Recorder], materials: Path, stage: str, step: int
) -> None:
    folder = make_tiny_job(materials / f"stopped-{stage}-{step}", materials)
    request = folder.read_request()
    recorder = Recorder(stage, step)
    with pytest.raises(Cancelled):
        generate(request, folder, recorder)
    assert recorder.steps[-1] == (stage, step) and not folder.result.exists()
    rest = Recorder()
    generate(request, folder, rest)
    assert recorder.steps + rest.steps == finished[1].steps
    assert_same(surface_of(finished[0]), surface_of(folder))


@pytest.mark.usefixtures("no_overview")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_process_resumes(
    finished: tuple[JobFolder, Recorder], materials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 of the real command after a checkpoint; `idto3d resume` finishes the job."""
    root = materials / "killed"
    # A checkpoint at each step; after the second one the process waits for its end.
    program = """
import sys, time
from idto3d import cli
from idto3d.job.checkpoints import Checkpoints

def save_and_wait(self, state, save=Checkpoints.save):
    if save(self, state).stem == "000002":
        time.sleep(999)

Checkpoints.due = lambda self: True
Checkpoints.save = save_and_wait
sys.exit(cli.main(sys.argv[1:]))
"""
    words = ["generate", str(materials / "portrait.png"), "--expressions", "smile", "--seed", "3"]
    words += ["--prior", str(materials / "prior"), "--output", str(root), "--device", "cpu"]
    for name, value in TINY.items():
        words += ["--set", f"{name}={value}"]
    folder = JobFolder(root)
    with open(materials / "killed.txt", "w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env={**os.environ, "PYTHONPATH": str(Path(idto3d.__file__).parents[1])},
            stdout=said,
            stderr=said,
        )
        try:
            deadline = time.monotonic() + 200
            while not (folder.checkpoint / "000002.safetensors").exists():
                assert process.poll() is None, Path(said.name).read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL
    assert folder.lock.exists() and not folder.result.exists()
    assert cli.main(["resume", str(root)]) == 0
    assert str(folder.head) in capsys.readouterr().out
    assert_same(surface_of(finished[0]), surface_of(folder))

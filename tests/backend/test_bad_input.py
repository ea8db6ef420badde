# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input to the real command: a cause and a remedy in one line, exit code 2, nothing left."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from idto3d import cli
from tests.backend.tiny_job import write_materials


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("materials")
    write_materials(folder)
    return folder


Refused = Callable[..., str]


@pytest.fixture
def refused(materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run `idto3d generate` on a photo; returns the one line that it ends with."""

    def run(
        photo: Path,
        *words: str,
        prior: Path = materials / "prior",
        output: Path = tmp_path / "out",
    ) -> str:
        command = ["generate", str(photo), "--output", str(output), "--prior", str(prior)]
        assert cli.main([*command, "--device", "cpu", *words]) == 2
        said = capsys.readouterr()
        (line,) = said.err.splitlines()
        assert line.startswith("idto3d: ") and "Traceback" not in said.out
        # A cause, and a remedy.
        assert line.count(". ") + line.count("? ") >= 1 and line[-1] in ".?"
        assert not output.exists()
        return line

    return run


def test_no_such_file(refused: Refused, tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "nobody.jpg")


def test_text_named_jpg(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear Ada,\n" * 100)
    assert "is not a picture" in refused(tmp_path / "letter.jpg")


def test_truncated_jpeg(refused: Refused, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(astronaut()).save(stream, format="JPEG")
    (tmp_path / "half.jpg").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    assert "cut short" in refused(tmp_path / "half.jpg")


def test_empty_file(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert "is not a picture" in refused(tmp_path / "empty.png")


def test_ten_by_ten(refused: Refused, tmp_path: Path) -> None:
    Image.new("RGB", (10, 10), "pink").save(tmp_path / "dot.png")
    assert "10 x 10" in refused(tmp_path / "dot.png")


def test_photo_without_a_face(refused: Refused, tmp_path: Path) -> None:
    across = np.linspace(0, 255, 200, dtype=np.uint8)
    sky = np.stack([np.broadcast_to(across[:, None], (200, 200))] * 3, axis=-1)
    Image.fromarray(sky).save(tmp_path / "sky.png")
    assert "no face" in refused(tmp_path / "sky.png")


def test_unknown_expression(refused: Refused, materials: Path) -> None:
    line = refused(materials / "portrait.png", "--expressions", "smlie")
    assert "'smlie'" in line and "Did you mean smile" in line


def test_expression_that_the_prior_does_not_know(refused: Refused, materials: Path) -> None:
    line = refused(materials / "portrait.png", "--expressions", "smile,anger")
    assert "not trained on the expression 'anger'" in line


def test_unknown_setting(refused: Refused, materials: Path) -> None:
    line = refused(materials / "portrait.png", "--set", "geometry.iteration=3")
    assert "Did you mean geometry.iterations" in line
    line = refused(materials / "portrait.png", "--set", "geometry.iterations=many")
    assert "'geometry.iterations' can't be \"many\"" in line


def test_prior_with_a_missing_file(refused: Refused, materials: Path, tmp_path: Path) -> None:
    prior = shutil.copytree(materials / "prior", tmp_path / "prior")
    (prior / "adapters" / "albedo.safetensors").unlink()
    assert "albedo.safetensors is missing" in refused(materials / "portrait.png", prior=prior)


def test_prior_with_a_corrupt_file(refused: Refused, materials: Path, tmp_path: Path) -> None:
    prior = shutil.copytree(materials / "prior", tmp_path / "prior")
    (weights,) = (prior / "unet").glob("*.safetensors")
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1  # one bit
    weights.write_bytes(damaged)
    assert "is damaged" in refused(materials / "portrait.png", prior=prior)


def test_no_prior(refused: Refused, materials: Path, tmp_path: Path) -> None:
    assert "no prior folder" in refused(materials / "portrait.png", prior=tmp_path / "nothing")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_it(refused: Refused, materials: Path) -> None:
    line = refused(materials / "portrait.png", "--device", "cuda")
    assert "CUDA was asked for" in line and "--device cpu" in line


def test_output_inside_a_file(refused: Refused, materials: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = refused(materials / "portrait.png", output=tmp_path / "file" / "out")
    assert "can't be written" in line and "--output" in line
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder closed to root too")
def test_folder_that_nobody_can_write(refused: Refused, materials: Path) -> None:
    assert "can't be written" in refused(materials / "portrait.png", output=Path("/proc/self/out"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(refused: Refused, materials: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "can't be written" in refused(materials / "portrait.png")
    finally:
        tmp_path.chmod(0o700)


def test_folder_that_was_there_stays(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what the refused job made is taken back."""
    Image.new("RGB", (10, 10)).save(tmp_path / "dot.png")
    output = tmp_path / "mine"
    output.mkdir()
    (output / "diary.txt").write_text("mine")
    words = ["generate", str(tmp_path / "dot.png"), "--output", str(output), "--device", "cpu"]
    assert cli.main([*words, "--prior", str(materials / "prior")]) == 2
    assert [path.name for path in output.iterdir()] == ["diary.txt"]

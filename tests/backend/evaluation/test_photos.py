# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a whole, with heads of known likeness in the place of the algorithm's."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anny")

from idto3d import cli  # noqa: E402
from idto3d.errors import UserError  # noqa: E402
from idto3d.evaluation import (  # noqa: E402
    held_out,
    judges,
    own_people,
    photo_report,
    photos,
    portraits,
)
from idto3d.evaluation.head_jobs import INTERNAL  # noqa: E402
from idto3d.evaluation.judges import Dlib  # noqa: E402
from idto3d.evaluation.own_people import OwnPerson  # noqa: E402
from idto3d.job.protocol import Cancelled, JobFolder, Request  # noqa: E402
from idto3d.job.reporter import Reporter  # noqa: E402
from idto3d.pictures import Finished  # noqa: E402
from tests.backend.evaluation.test_likeness import (  # noqa: E402
    LIGHTS,
    TABLE,
    TOYS,
    Thumbnails,
)
from tests.backend.evaluation.toy_asset import write_toy_asset  # noqa: E402
from tests.backend.job.test_preflight import make_prior  # noqa: E402

NAMES = ("Ada", "Bob")
JUDGES = (Dlib(), Thumbnails("other", False))


class Generator:
    """Makes the true head of whoever's photographs it gets; fails for `failing`."""

    def __init__(self, stop_at: str = "", failing: str = "") -> None:
        self.made: list[str] = []
        self.stop_at, self.failing = stop_at, failing

    def __call__(self, request: Request, folder: JobFolder, reporter: Reporter) -> None:
        if request.name == self.stop_at:
            raise Cancelled
        if request.name == self.failing:
            raise UserError("The photographs are of no use. Take others.")
        # Every second of five, but for those after the second.
        assert [Path(photo).name for photo in request.photos] == ["0.png", "2.png"]
        assert {Path(photo).parent.name for photo in request.photos} == {request.name}
        self.made.append(request.name)
        person = TOYS.person(held_out.SEED, NAMES.index(request.name))
        materials = torch.full((1, len(person.neutral), 5), 0.5)
        materials[..., :3] = torch.from_numpy(person.paint.albedo)
        materials[..., 4] = 0.0
        still = np.zeros((1, *person.neutral.shape), np.float32)
        head = Finished(("neutral",), person.neutral, still, person.faces, materials.numpy())
        write_toy_asset(folder.result, head, TOYS.template.faces.numpy())


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for index, name in enumerate(NAMES):
        (folder / name).mkdir()
        person = TOYS.person(held_out.SEED, index)
        for number, picture in enumerate(held_out.casual_photos(person, index, TABLE, 256)):
            Image.fromarray(picture).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def read(people: Path) -> list[OwnPerson]:
    return own_people.read_people(people, JUDGES)


@pytest.fixture
def words(
    people: Path, read: list[OwnPerson], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setattr(own_people, "read_people", lambda folder, who: read)
    monkeypatch.setattr(photo_report, "lights", LIGHTS)
    monkeypatch.setattr(portraits, "SUPERSAMPLE", 1)
    monkeypatch.setattr(judges, "judges", lambda: JUDGES)
    prior = make_prior(tmp_path / "prior")
    return [
        *(str(people), "--output", str(tmp_path / "out"), "--prior", str(prior)),
        *("--photos", "2", "--device", "cpu"),
    ]


def evaluate(words: Sequence[str], monkeypatch: pytest.MonkeyPatch, generator: Generator) -> int:
    monkeypatch.setitem(sys.modules, "idto3d.generate", SimpleNamespace(generate=generator))
    parser = argparse.ArgumentParser()
    photos.add_arguments(parser)
    return photos.run(parser.parse_args(words))


def test_stop_go_on_and_report(
    words: list[str],
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    first = Generator(stop_at="Ada")
    with pytest.raises(Cancelled):
        evaluate(words, monkeypatch, first)
    with pytest.raises(UserError, match="None of the 2 heads in .* is finished"):
        evaluate([*words, "--report-only"], monkeypatch, first)
    for more, sentence in (
        (["--photos", "1"], "another photos"),
        (["--preset", "standard"], "another preset"),
    ):
        with pytest.raises(UserError, match=sentence):
            evaluate([*words, *more], monkeypatch, first)

    # One head alone, then both.
    second = Generator(failing="Bob")
    capsys.readouterr()
    assert evaluate(words, monkeypatch, second) == INTERNAL
    said = capsys.readouterr()
    assert second.made == ["Ada"] and "Bob: The photographs are of no use" in said.err
    assert "plain cosines" in said.out
    third = Generator()
    assert evaluate(words, monkeypatch, third) == 0
    assert third.made == ["Bob"]
    report = json.loads((output / "photos.json").read_text())
    assert [head["name"] for head in report["heads"]] == list(NAMES)
    for head in report["heads"]:
        assert head["made_from"] == ["0.png", "2.png"]
        assert head["held_back"] == ["1.png", "3.png"]
        assert head["identity"]["dlib"]["rank"] == 1
        assert head["identity"]["dlib"]["own_photos"]["rank"] == 1
    assert set(report["identity"]) == {"dlib", "other"}
    said = capsys.readouterr()
    assert (output / "photos.txt").read_text().strip() in said.out
    assert "rank 1 for 2 of 2 by dlib" in said.out and photos.PRIVACY in said.out
    width, height = Image.open(output / "photos.png").size
    assert width > len(photo_report.CAPTIONS) * 100 and height > 2 * 100
    # The photographs themselves stay where they are.
    copies = {file.read_bytes() for file in people.rglob("*.png")}
    assert not copies & {file.read_bytes() for file in output.rglob("*") if file.is_file()}


def test_a_head_of_other_photographs_is_not_judged(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It may have been made from those that are held back now."""
    evaluate([*words, "--part", "1/2"], monkeypatch, Generator())
    job = JobFolder(tmp_path / "out" / "heads" / "Ada")
    request = job.read_request()
    job.write_request(Request(photos=request.photos[:1], expressions=()))
    with pytest.raises(UserError, match="None of the 2 heads"):
        evaluate([*words, "--report-only"], monkeypatch, Generator())
    assert "Ada is left out: The photographs are others than when" in capsys.readouterr().out


def test_bad_input_writes_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more, sentence in (
        (["--expressions", "smirk"], "no expression smirk"),
        (["--prior", str(tmp_path / "nowhere")], "nowhere"),
        (["--report-only"], "There is no evaluation"),
    ):
        with pytest.raises(UserError, match=sentence):
            evaluate([*words, *more], monkeypatch, Generator())
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]
    assert cli.main(["evaluate", "photos", *words]) == cli.BAD_INPUT
    assert "There is no folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

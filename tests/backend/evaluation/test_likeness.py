# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a whole, with heads of known likeness in the place of the algorithm's."""

import argparse
import functools
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anny")

from idto3d.assets import ASSETS  # noqa: E402
from idto3d.errors import UserError  # noqa: E402
from idto3d.evaluation import (  # noqa: E402
    geometry,
    head_jobs,
    held_out,
    judges,
    likeness,
    measure,
    observe,
    plots,
    portraits,
    whole_head,
)
from idto3d.identity.dlib_encoder import chip_from_landmarks  # noqa: E402
from idto3d.job.protocol import Cancelled, JobFolder, Request  # noqa: E402
from idto3d.job.reporter import Reporter  # noqa: E402
from idto3d.pictures import Finished  # noqa: E402
from idto3d.training import people  # noqa: E402
from idto3d.training.dataset import expression_table  # noqa: E402
from tests.backend.evaluation.toy_asset import write_toy_asset  # noqa: E402
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402
from tests.backend.job.test_preflight import make_prior  # noqa: E402

TABLE = expression_table(ASSETS / "expressions.json")
TOYS = ToyPeople()
LIGHTS = functools.cache(portraits.lights)


class Generator:
    """Makes the true head, or, for persons in `wrong`, the template in grey; counts its work."""

    def __init__(self, wrong: tuple[int, ...] = (), stop_at: int | None = None) -> None:
        self.made: list[int] = []
        self.wrong, self.stop_at = wrong, stop_at
        self.people = TOYS

    def __call__(self, request: Request, folder: JobFolder, reporter: Reporter) -> None:
        index = int(request.name.removeprefix("person-"))
        assert len(request.photos) == 5 and all(Path(photo).is_file() for photo in request.photos)
        assert request.expressions == ("smile", "blink")
        assert request.overrides == {"geometry.iterations": 3}
        if index == self.stop_at:
            raise Cancelled
        self.made.append(index)
        person, fine = self.people.person(held_out.SEED, index), self.people.fine
        shape = fine.mean.numpy() if index in self.wrong else person.bare
        names = ("neutral", *request.expressions)
        materials = torch.full((len(names), len(shape), 5), 0.5)
        if index not in self.wrong:
            materials[..., :3] = torch.from_numpy(person.paint.albedo)
        materials[..., 4] = 0.0
        # Who is wrong winks at everything.
        shown = ["neutral", "wink", "wink"] if index in self.wrong else names
        arkit = {row["name"]: row["arkit"] for row in TABLE}
        moved = np.stack([person.displacement(arkit[name]) for name in shown])
        head = Finished(names, shape, moved, person.faces, materials.numpy())
        write_toy_asset(folder.result, head, self.people.template.faces.numpy())


class Thumbnails:
    """A recogniser that takes no time: the colours of a small picture of the face."""

    def __init__(self, name: str, optimised_with: bool) -> None:
        self.name, self.optimised_with = name, optimised_with

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        return chip_from_landmarks(image, landmarks)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        small = [np.asarray(Image.fromarray(chip).resize((8, 8))) for chip in chips]
        return np.stack(small).reshape(len(chips), -1).astype(np.float32) / 255


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(people, "People", lambda template, ict: TOYS)
    monkeypatch.setattr(observe, "lights", LIGHTS)
    monkeypatch.setattr(held_out, "PHOTO_SIZE", 256)
    # The measures themselves have tests of their own; here they may be coarse.
    monkeypatch.setattr(geometry, "LOOK_PIXELS", 128)
    monkeypatch.setattr(geometry, "ICP_PASSES", ((8, 10), (2, 3)))
    monkeypatch.setattr(whole_head, "LOOK_FROM", [(0, 0), (90, 0), (180, 0), (270, 0)])
    monkeypatch.setattr(portraits, "SUPERSAMPLE", 1)
    who = (Thumbnails("dlib", True), Thumbnails("other", False))
    monkeypatch.setattr(judges, "judges", lambda: who)
    prior = make_prior(tmp_path / "prior")
    return [
        *("--output", str(tmp_path / "out"), "--people", "2", "--prior", str(prior)),
        *("--set", "geometry.iterations=3", "--device", "cpu", "--expressions", "smile,blink"),
    ]


def evaluate(words: list[str], monkeypatch: pytest.MonkeyPatch, generator: Generator) -> int:
    monkeypatch.setitem(sys.modules, "idto3d.generate", SimpleNamespace(generate=generator))
    parser = argparse.ArgumentParser()
    likeness.add_arguments(parser)
    return likeness.run(parser.parse_args(words))


def test_stop_go_on_and_report(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = Generator(stop_at=1)
    with pytest.raises(Cancelled):
        evaluate(words, monkeypatch, first)
    assert first.made == [0]
    with pytest.raises(UserError, match="1 of 2 heads .* are finished; two are needed"):
        evaluate([*words, "--report-only"], monkeypatch, first)

    for more, sentence in (
        (["--preset", "standard"], "another preset"),
        (["--set", "texture.iterations=3"], "another overrides"),
        (["--ict", "anywhere", "--report-only"], "another ict"),
        (["--expressions", "all"], "another expressions"),
        (["--photos", "1"], "another photos"),
    ):
        with pytest.raises(UserError, match=sentence):
            evaluate([*words, *more], monkeypatch, first)

    second = Generator(wrong=(1,))
    assert evaluate(words, monkeypatch, second) == 0
    assert second.made == [1]
    output = tmp_path / "out"
    report = json.loads((output / "likeness.json").read_text())
    good, bad = report["people"]
    assert good["generated"]["mean"] < 0.001 < 0.3 < good["template"]["mean"]
    assert good["stage_zero"]["mean"] > 0.1
    assert good["apart_from_size_generated"]["mean"] < 0.001
    assert 0.1 < bad["apart_from_size_generated"]["mean"] < bad["generated"]["mean"]
    assert all(place["rank"] == 1 for place in good["places"].values())
    assert good["albedo"]["plain"] < 1.5 < 3 < good["one_tone"]["plain"]
    assert [(row["asked"], row["by_landmarks"], row["by_normals"]) for row in good["recognised"]] \
        == [(name, name, name) for name in ("smile", "blink")]  # fmt: skip
    assert good["recognised"][0]["strength"] == pytest.approx(1, abs=0.02)
    assert {row["by_landmarks"] for row in bad["recognised"]} == {"wink"}
    assert report["expressions_recognised"]["by_normals"] == 0.5
    # The unshaped template itself is no closer than the template.
    assert bad["generated"]["mean"] == pytest.approx(bad["template"]["mean"], rel=1e-3)
    assert bad["head_generated"] == bad["head_template"]
    assert report["median_mm"]["head_generated"] > 0.2
    assert report["counts"]["closer_than_template"] == 1
    assert report["counts"]["ceiling_rank_one"] == 2
    assert np.shape(report["similarity"]) == (2, 2)
    assert report["settings"]["overrides"] == {"geometry.iterations": 3}
    said = capsys.readouterr().out
    assert "closer than the unshaped template for 1 of 2" in said
    assert f"rank 1 for {report['counts']['rank_one']} of 2 by dlib" in said
    assert said.split("\n", 1)[0] and (output / "likeness.txt").read_text().strip() in said
    for judge, group in report["identity"].items():
        assert len(group["poses"]) == len(report["poses"]) == 9, judge
        assert list(group["expressions"]) == ["neutral", "smile", "blink"]
        assert group["expressions"]["neutral"]["share"] == pytest.approx(1)
    width, height = Image.open(output / "likeness.png").size
    assert width > 9 * 100 and height > 2 * 100
    assert len(measure.CAPTIONS) == 9

    aims = {aim["name"]: aim for aim in report["bars"]}
    assert "rank 1, frontal, other" in aims and "rank 1, frontal, dlib" not in aims
    assert aims["median face error, share of the unshaped template's"]["value"] > 0.4
    assert "2 heads among 2 people." in said and "expressions recognised by normals: 0.50" in said

    # What was measured is kept, of the head that it was measured of.
    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(observe, "_measure", refuse)
    monkeypatch.setattr(plots, "write_plots", lambda *_: True)
    assert evaluate([*words, "--report-only"], monkeypatch, second) == 0
    assert json.loads((output / "likeness.json").read_text()) == report
    surface = output / "person-00" / "job" / "result" / "surface.npz"
    Finished.load(output / "person-01" / "job" / "result" / "surface.npz").save(surface)
    with pytest.raises(AssertionError, match="measured again"):
        evaluate([*words, "--report-only"], monkeypatch, second)


def test_bad_input_writes_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more, sentence in (
        (["--people", "1"], "Give --people 2 or more"),
        (["--set", "geometry.iteration=3"], "Did you mean geometry.iterations"),
        (["--prior", str(tmp_path / "nowhere")], "nowhere"),
        (["--expressions", "smirk"], "no expression smirk"),
        (["--report-only"], "There is no evaluation"),
    ):
        with pytest.raises(UserError, match=sentence):
            evaluate([*words, *more], monkeypatch, Generator())
    assert not (tmp_path / "out").exists()


def test_evaluations_older_than_a_setting_go_on(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose settings name neither photos nor expressions has five and none."""
    parser = argparse.ArgumentParser()
    likeness.add_arguments(parser)
    arguments = parser.parse_args([*words, "--expressions", ""])
    population = {"seed": 1, "ict": False}
    assert head_jobs.agreed_settings(arguments, population)["photos"] == 5
    path = tmp_path / "out" / "settings.json"
    old = json.loads(path.read_text())
    del old["photos"], old["expressions"]
    path.write_text(json.dumps(old))
    assert head_jobs.agreed_settings(arguments, population)["expressions"] == []
    with pytest.raises(UserError, match="another expressions"):
        head_jobs.agreed_settings(parser.parse_args(words), population)


def test_the_fixed_set_has_fifty_people() -> None:
    parser = argparse.ArgumentParser()
    likeness.add_arguments(parser)
    arguments = parser.parse_args(["--output", "x"])
    assert (arguments.people, arguments.photos, arguments.expressions) == (50, 5, "")


def test_a_head_that_fails_stops_nobody_else(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second half of three people, one of whom can't be made: the other is measured."""

    class Failing(Generator):
        def __call__(self, request: Request, folder: JobFolder, reporter: Reporter) -> None:
            if request.name == "person-01":
                raise UserError("No face was found. Take other photos.")
            super().__call__(request, folder, reporter)

    measured: list[int] = []
    monkeypatch.setattr(observe, "truth", lambda case, tools: None)
    monkeypatch.setattr(observe, "observation", lambda case, tools: measured.append(case.index))
    generator = Failing()
    more = ["--people", "4", "--part", "2/2"]
    assert evaluate([*words, *more], monkeypatch, generator) == head_jobs.INTERNAL
    assert generator.made == [3] and measured == [3]
    assert not (tmp_path / "out" / "likeness.json").exists()
    assert "Person 1: No face was found" in capsys.readouterr().err
    photos = [folder.name for folder in (tmp_path / "out").glob("person-*")]
    assert sorted(photos) == ["person-01", "person-03"]

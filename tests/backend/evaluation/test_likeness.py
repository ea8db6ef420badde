# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a whole, with heads of known likeness in the place of the algorithm's."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anny")

from idto3d.errors import UserError  # noqa: E402
from idto3d.evaluation import held_out, likeness, measure  # noqa: E402
from idto3d.job.protocol import Cancelled, JobFolder, Request  # noqa: E402
from idto3d.job.reporter import Reporter  # noqa: E402
from idto3d.pictures import Finished  # noqa: E402
from idto3d.training import people  # noqa: E402
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402
from tests.backend.job.test_preflight import make_prior  # noqa: E402


class Generator:
    """Makes the true head, or, for persons in `wrong`, the template in grey; counts its work."""

    def __init__(self, wrong: tuple[int, ...] = (), stop_at: int | None = None) -> None:
        self.made: list[int] = []
        self.wrong, self.stop_at = wrong, stop_at
        self.people = ToyPeople()

    def __call__(self, request: Request, folder: JobFolder, reporter: Reporter) -> None:
        index = int(request.name.removeprefix("person-"))
        assert len(request.photos) == 5 and all(Path(photo).is_file() for photo in request.photos)
        assert request.expressions == () and request.overrides == {"geometry.iterations": 3}
        if index == self.stop_at:
            raise Cancelled
        self.made.append(index)
        person, fine = self.people.person(held_out.SEED, index), self.people.fine
        shape = fine.mean.numpy() if index in self.wrong else person.bare
        materials = torch.full((1, len(shape), 5), 0.5)
        if index not in self.wrong:
            materials[0, :, :3] = torch.from_numpy(person.paint.albedo)
        materials[..., 4] = 0.0
        folder.result.mkdir()
        Finished(
            ("neutral",), shape, np.zeros((1, *shape.shape), np.float32), person.faces,
            materials.numpy(),
        ).save(folder.result / "surface.npz")  # fmt: skip
        folder.head.write_bytes(b"glTF")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(people, "People", ToyPeople)
    monkeypatch.setattr(held_out, "PHOTO_SIZE", 256)
    prior = make_prior(tmp_path / "prior")
    return [
        *("--output", str(tmp_path / "out"), "--people", "2", "--prior", str(prior)),
        *("--set", "geometry.iterations=3", "--device", "cpu"),
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
    assert good["rank"] == 1
    # The unshaped template itself is no closer than the template.
    assert bad["generated"]["mean"] == pytest.approx(bad["template"]["mean"], rel=1e-3)
    assert report["counts"]["closer_than_template"] == 1
    assert report["counts"]["ceiling_rank_one"] == 2
    assert np.shape(report["similarity"]) == (2, 2)
    assert report["settings"]["overrides"] == {"geometry.iterations": 3}
    said = capsys.readouterr().out
    assert "closer than the unshaped template for 1 of 2" in said
    assert f"rank 1 for {report['counts']['rank_one']} of 2" in said
    width, height = Image.open(output / "likeness.png").size
    assert width > 9 * 100 and height > 2 * 100
    assert len(measure.CAPTIONS) == 9


def test_bad_input_writes_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more, sentence in (
        (["--people", "1"], "Give --people 2 or more"),
        (["--set", "geometry.iteration=3"], "Did you mean geometry.iterations"),
        (["--prior", str(tmp_path / "nowhere")], "nowhere"),
        (["--report-only"], "There is no evaluation"),
    ):
        with pytest.raises(UserError, match=sentence):
            evaluate([*words, *more], monkeypatch, Generator())
    assert not (tmp_path / "out").exists()

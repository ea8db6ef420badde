# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheets of a tiny random prior: all pictures there, the same each time, identity told."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anny")

from idto3d.errors import UserError  # noqa: E402
from idto3d.evaluation import prior_sheets  # noqa: E402
from idto3d.evaluation.contact_sheet import CELL, GAP  # noqa: E402
from idto3d.evaluation.prior_sheets import Drawing, Sitter, Studio  # noqa: E402
from idto3d.prior.load import load_prior  # noqa: E402
from idto3d.prior.random_prior import write_random_prior  # noqa: E402
from idto3d.training import people  # noqa: E402
from idto3d.training.people import Person  # noqa: E402
from tests.backend.evaluation.test_held_out import TABLE  # noqa: E402
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402

WORDS = {"age": "young", "gender": "woman", "tone": "tan", "hair": "no hair", "beard": ""}


class Worded(ToyPeople):
    """Toy people that captions can be made of."""

    def person(self, seed: int, index: int) -> Person:
        person = super().person(seed, index)
        person.words.update(WORDS)
        return person


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prior")
    write_random_prior(folder)
    return folder


def test_the_adapted_prior_is_told_who_and_the_base_is_not(prior: Path) -> None:
    toys = Worded()
    painters = {name: load_prior(prior, name) for name in ("albedo", "photo")}
    studio = Studio(painters, toys.fine, TABLE, Drawing(2.0, 2, 0))
    person, shape = toys.person(1, 0), toys.fine.mean
    identities = torch.randn(2, 4, 128, generator=torch.Generator().manual_seed(0))
    camera = prior_sheets._cameras([0.0, 30.0])

    def draw(painter: str, who: int) -> np.ndarray:
        sitter = Sitter(person, identities[who], shape)
        return studio.draw(painter, sitter, camera, ["neutral", "smile"])

    first = draw("albedo", 0)
    assert first.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(first, draw("albedo", 0))
    assert (first != draw("albedo", 1)).any()
    np.testing.assert_array_equal(draw("photo", 0), draw("photo", 1))


def test_all_sheets_are_written(
    prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "People", Worded)
    monkeypatch.setattr(prior_sheets, "YAWS", (0.0, 90.0))
    monkeypatch.setattr(prior_sheets, "JUDGED_YAWS", (0.0,))
    parser = argparse.ArgumentParser()
    prior_sheets.add_arguments(parser)
    words = ["--output", str(tmp_path), "--prior", str(prior), "--people", "2", "--steps", "1"]
    assert prior_sheets.run(parser.parse_args(words)) == 0
    sizes = {"poses": 2, "expressions": 3, "words": len(prior_sheets.ASKED), "identities": 2}
    for name, columns in sizes.items():
        assert Image.open(tmp_path / f"{name}.png").width == GAP + columns * (CELL + GAP)
    found = json.loads((tmp_path / "prior.json").read_text())
    assert set(found["recognised"]) == {"albedo", "base model, text alone"}
    assert 0 <= found["recognised"]["albedo"]["dlib"]["rank_one"] <= 1
    assert set(found["eyes"]) == {"drawn", "autoencoder"}
    assert all(0 <= share <= 1 for share in found["eyes"].values())
    with pytest.raises(UserError, match="--people 2"):
        prior_sheets.run(parser.parse_args([*words, "--people", "1"]))

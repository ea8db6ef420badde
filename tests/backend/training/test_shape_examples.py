# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples of the shape regression: of a synthetic person, and their files."""

from pathlib import Path

import numpy as np
import pytest

from idto3d.assets import ASSETS
from idto3d.head.evidence import Evidence
from idto3d.head.template import Template, load_template
from idto3d.settings import HEAD_METRES
from idto3d.training.shape_examples import (
    FIRST_PERSON,
    FLIP,
    Collector,
    Example,
    layout,
    load_examples,
    save_examples,
)


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


def test_a_person_s_photographs_and_true_head(template: Template) -> None:
    collector = Collector(template, None)
    whole, few = collector.examples(FIRST_PERSON)
    for example in (whole, few):
        centres = len(collector.layout.centres)
        assert example.moves.shape == example.places.shape == (centres, 3)
        assert len(example.evidence.row()) == 204 + 3 * len(collector.layout.points) + 204 + 128
        # The fit is millimetres off, not centimetres, and not nothing.
        off = np.linalg.norm(example.moves, axis=1) * HEAD_METRES
        assert 0.0005 < np.median(off) < 0.015
        assert np.abs(example.evidence.turned).max() > 0.01
    # The same person by fewer photographs.
    assert not np.array_equal(whole.evidence.embedding, few.evidence.embedding)
    again = collector.examples(FIRST_PERSON)
    assert np.array_equal(again[0].evidence.row(), whole.evidence.row())
    assert np.array_equal(again[1].moves, few.moves)


def test_examples_are_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    examples = [
        Example(
            Evidence(*(random.normal(size=size) for size in ((68, 3), (6, 3), (68, 3), (5,)))),
            random.normal(size=(4, 3)),
            random.normal(size=(4, 3)),
        )
        for _ in range(2)
    ]
    save_examples(examples, tmp_path / "person.npz")
    again = load_examples(tmp_path / "person.npz")
    for one, other in zip(examples, again, strict=True):
        assert np.array_equal(one.evidence.row(), other.evidence.row())
        assert np.array_equal(one.moves, other.moves)
        assert np.array_equal(one.places, other.places)
    assert [file.name for file in tmp_path.iterdir()] == ["person.npz"]


def test_the_layout_has_two_equal_sides(template: Template) -> None:
    mean = template.mean.double().numpy()
    valid = (template.part.numpy() == 0) & (mean[:, 1] > -0.3)
    places = layout(template, valid)
    for chosen, mirrored in (
        (places.points, places.mirrored_points), (places.centres, places.mirrored_centres)
    ):  # fmt: skip
        assert np.allclose(mean[chosen[mirrored]], mean[chosen] * FLIP, atol=1e-3)
        assert valid[chosen].all()
    assert (places.aligned[places.points] > 0.5).all()
    chin = mean[template.landmarks[8], 1]
    assert (mean[places.centres, 1] > chin - 1e-3).all()

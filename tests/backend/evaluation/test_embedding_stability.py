# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up embeddings: what pose and number of photographs do to them is found again."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.evaluation import embedding_stability
from idto3d.evaluation.embedding_stability import FRONTAL, MANY, YAWS, Embedded, stabilities

NAMES = ("neutral", "smile")
SIZE = 64


def made_up(people: int = 6) -> list[Embedded]:
    """Embeddings that a pose turns away, a smile hardly, and noise blurs."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(people):
        own = random.normal(size=SIZE)
        away = np.abs(np.array(YAWS)) / 45
        noise = random.normal(size=(MANY, SIZE))
        found.append(
            Embedded(
                {"judge": own + 0.1 * random.normal(size=(4, SIZE))},
                {"judge": own + away[:, None] * random.normal(size=(len(YAWS), SIZE))},
                {"judge": own + np.array([[0.0], [0.2]]) * random.normal(size=(2, SIZE))},
                {"judge": own + 2.0 * noise},
            )
        )
    return found


def test_what_moves_an_embedding_is_found() -> None:
    found = stabilities(made_up(), "judge")
    pose, expression, photos = (found[name] for name in ("pose", "expression", "photos"))
    assert pose.own[FRONTAL] == pytest.approx(1.0)
    assert pose.own[0] < 0.7 < pose.own[FRONTAL + 1]
    assert abs(pose.others[FRONTAL]) < 0.2
    assert pose.rank_one[FRONTAL] == 1.0
    assert expression.own[0] == pytest.approx(1.0) and expression.own[1] > 0.9
    # More photographs average the noise away.
    assert photos.own[0] < photos.own[3] < photos.own[-1]
    assert photos.rank_one[-1] == 1.0
    assert len(photos.own) == len(photos.spread) == MANY


def test_the_table_names_judges_and_series() -> None:
    text = embedding_stability.as_text({"judge": stabilities(made_up(), "judge")}, NAMES)
    assert "own, judge" in text and "smile" in text and text.count("rank 1, judge") == 3


def test_one_person_is_too_few(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    embedding_stability.add_arguments(parser)
    with pytest.raises(UserError, match="--people 2"):
        embedding_stability.run(parser.parse_args(["--output", str(tmp_path), "--people", "1"]))


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from idto3d.evaluation.plots import write_figure

    series = {"judge": stabilities(made_up(), "judge")}
    write_figure(tmp_path / "plot.png", embedding_stability.draw(series, NAMES))
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    assert json.dumps([each.own for each in series["judge"].values()])

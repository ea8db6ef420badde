# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluations are compared person by person, and only people whom all of them have."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from idto3d.errors import UserError
from idto3d.evaluation.comparison import as_text, common_people, draw, figures
from idto3d.evaluation.probes import POSES
from idto3d.evaluation.standing import Standing
from idto3d.job.protocol import JobFolder


def measured(medians: list[float], similarity: float) -> SimpleNamespace:
    scores = [
        SimpleNamespace(
            generated=SimpleNamespace(median=median),
            head_generated=SimpleNamespace(median=4.0),
            albedo=SimpleNamespace(plain=6.0, scaled=4.0),
            baked_light=SimpleNamespace(difference=0.04),
            places={"judge": SimpleNamespace(similarity=similarity)},
        )
        for median in medians
    ]
    group = SimpleNamespace(
        overall=Standing(0.5, 1.0), poses=[Standing(0.4, 0.5 if yaw == 0 else 0.0) for yaw in POSES]
    )
    return SimpleNamespace(scores=scores, groups={"judge": group})


def finish(folder: Path, people: list[int]) -> Path:
    for number in people:
        head = JobFolder(folder / f"person-{number:02d}" / "job").head
        head.parent.mkdir(parents=True)
        head.write_bytes(b"glTF")
    return folder


def test_only_people_of_all_folders_count(tmp_path: Path) -> None:
    one, five = finish(tmp_path / "one", [0, 3, 5]), finish(tmp_path / "five", [0, 1, 5])
    assert common_people([one, five]) == [0, 5]
    few = finish(tmp_path / "few", [5])
    with pytest.raises(UserError, match="Only 1 people have heads"):
        common_people([one, five, few])


def test_better_means_less_error_and_more_similarity() -> None:
    found = [measured([1.0, 2.0, 3.0], 0.5), measured([0.5, 2.5, 2.0], 0.6)]
    text = as_text(["one", "five"], found, figures(["judge"]))
    lines = text.splitlines()

    def line(words: str) -> str:
        return next(each for each in lines if words in each)

    assert lines[0] == "3 people"
    assert "1.67 (2 of 3 better)" in line("face error")
    assert "0.60 (3 of 3 better)" in line("similarity")
    assert "4.00 (0 of 3 better)" in line("whole head")
    assert line("rank 1, judge").split()[-2:] == ["100%", "100%"]
    assert line("rank 1 frontal, judge").split()[-2:] == ["50%", "50%"]


def test_a_plot_has_a_panel_for_each_figure() -> None:
    pytest.importorskip("matplotlib")
    found = [measured([1.0, 2.0], 0.5), measured([0.5, 2.5], 0.6)]
    compared = figures(["judge"])
    assert len(draw(["one", "five"], found, compared).axes) == len(compared) == 6

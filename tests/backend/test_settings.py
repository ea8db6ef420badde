# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets, and single settings replaced from the command line."""

import dataclasses
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d.settings import PRESETS, settings_for


def test_paper_has_the_papers_values() -> None:
    paper = settings_for("paper", {})
    assert (paper.geometry.lattice_resolution, paper.geometry.iterations) == (256, 6000)
    assert (paper.texture.iterations, paper.texture.refine_iterations) == (2000, 20)
    assert paper.geometry.guidance_scale == paper.texture.guidance_scale == 10.0
    assert (paper.geometry.learning_rate, paper.texture.learning_rate) == (1e-4, 1e-2)


def test_overrides_change_only_what_they_name() -> None:
    changed = settings_for(
        "draft",
        {"geometry.iterations": 40, "geometry.wrap_from": 1, "texture.timesteps_diffuse": [1, 2]},
    )
    draft = PRESETS["draft"]
    assert changed.geometry == dataclasses.replace(draft.geometry, iterations=40, wrap_from=1.0)
    assert isinstance(changed.geometry.wrap_from, float)
    assert changed.texture == dataclasses.replace(draft.texture, timesteps_diffuse=(1, 2))
    assert changed.asset == draft.asset


def test_switches_can_be_replaced() -> None:
    assert settings_for("draft", {}).asset.teeth_and_lashes
    assert not settings_for("draft", {"asset.teeth_and_lashes": False}).asset.teeth_and_lashes


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="draft, standard, paper"):
        settings_for("fast", {})
    with pytest.raises(UserError, match="Did you mean geometry.iterations"):
        settings_for("draft", {"geometry.iteration": 3})
    with pytest.raises(UserError, match="no setting 'iterations'"):
        settings_for("draft", {"iterations": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("geometry.iterations", "many"),
        ("geometry.iterations", 2.5),
        ("geometry.iterations", True),
        ("geometry.smoothness", float("nan")),
        ("geometry.weighting", 3),
        ("asset.teeth_and_lashes", 1),
        ("asset.teeth_and_lashes", "no"),
        ("texture.timesteps_refine", 5),
        ("texture.timesteps_refine", [5]),
        ("texture.timesteps_refine", [5, "x"]),
    ],
)
def test_value_of_another_kind(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"'{name}' can't be .*\. Give it a value like"):
        settings_for("draft", {name: value})

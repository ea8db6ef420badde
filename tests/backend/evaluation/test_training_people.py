# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions are counted by person, whatever single words they leave out."""

import json
from pathlib import Path

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.evaluation.training_people import (
    as_text,
    read_statistics,
    write_statistics,
)
from tests.backend.training.toy_captions import OTHER, WORDS, captions


def test_a_set_is_counted_and_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training set"):
        read_statistics(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"expressions": ["neutral", "smile"]}))
    tones = np.array([[0.3, 0.2, 0.1], [0, 0, 0], [0.9, 0.8, 0.7]])
    np.savez(tmp_path / "identities.npz", held_out=np.array([True, False, False]), tone=tones)
    with pytest.raises(UserError, match="no pictures yet"):
        read_statistics(tmp_path)
    np.savez(
        tmp_path / "shard-00000.npz",
        person=np.array([0] * 14 + [2] * 14),
        caption=np.array([*captions(WORDS), *captions(OTHER)]),
        expression=np.array([0] * 20 + [1] * 8),
        yaw=np.array([-179.0] * 4 + [10.0] * 24),
        close_up=np.array([True] * 7 + [False] * 21),
    )
    found = read_statistics(tmp_path)
    assert found.people["sex"] == {"woman": 1, "man": 1} and found.held_out == 1
    assert found.people["skin"]["pale"] == 1 and found.people["skin"]["tan"] == 0
    assert found.pictures["expression"] == {"neutral": 20, "smile": 8}
    assert found.pictures["direction"]["180°"] == 4 and found.pictures["direction"]["0°"] == 24
    assert found.pictures["framing"] == {"head": 21, "face": 7}
    assert len(found.tones) == 2
    assert "sex: woman 1 (50 %), man 1 (50 %)" in as_text(found)
    assert "2 people, 1 of them held out" in write_statistics(tmp_path)
    assert json.loads((tmp_path / "statistics.json").read_text())["people"]["sex"]["man"] == 1

# SPDX-License-Identifier: GPL-3.0-or-later
"""Aims are judged by the recogniser that nothing was optimised with, and misses have a size."""

from types import SimpleNamespace

import pytest

from idto3d.evaluation.bars import bars
from idto3d.evaluation.probes import POSES
from idto3d.evaluation.scores import Group
from idto3d.evaluation.standing import Kept, Standing


def face(median: float) -> SimpleNamespace:
    return SimpleNamespace(median=median)


def group(optimised_with: bool, frontal: float) -> Group:
    poses = [Standing(0.5, frontal if yaw == 0 else 0.7 if yaw > 0 else 0.4) for yaw in POSES]
    one = Standing(0.5, 1.0)
    kept = {"neutral": Kept(one, 1.0), "smile": Kept(one, 0.9), "blink": Kept(one, 0.8)}
    return Group(optimised_with, one, one, poses, poses, kept)


def test_aims() -> None:
    asked = [
        SimpleNamespace(asked="smile", by_landmarks="smile", by_normals=name, strength=1.0)
        for name in ("smile", "grin")
    ]
    score = SimpleNamespace(
        template=face(2.0), stage_zero=face(1.5), generated=face(1.2), recognised=asked
    )
    groups = {"conditioning": group(True, 1.0), "other": group(False, 0.8)}
    found = {bar.name: bar for bar in bars([score, score], groups)}
    assert not any("conditioning" in name for name in found)
    template = found["median face error, share of the unshaped template's"]
    assert template.value == pytest.approx(0.6) and not template.reached
    assert template.sentence().endswith("aim below 0.50: missed by 0.10")
    assert found["median face error, share of stage 0's"].reached
    assert not found["rank 1, frontal, other"].reached
    side = found["rank 1, 45 degrees to both sides, other"]
    assert side.value == pytest.approx(0.55) and not side.reached
    kept = found["identity kept through expressions, other"]
    assert kept.value == pytest.approx(0.85) and kept.sentence().endswith("reached")
    assert found["expressions recognised by landmarks"].reached
    assert not found["expressions recognised by normals"].reached


def test_what_was_not_measured_has_no_aim() -> None:
    score = SimpleNamespace(
        template=face(2.0), stage_zero=face(1.5), generated=face(0.9), recognised=()
    )
    assert len(bars([score], {})) == 2

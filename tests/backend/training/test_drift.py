# SPDX-License-Identifier: GPL-3.0-or-later
"""When the expression phase has forgotten too much of who people are."""

from pathlib import Path

import pytest

from idto3d.training.drift import DriftWatch, identity_margin, read_reference, write_reference


def test_margin_is_the_mean_of_strangers_minus_own() -> None:
    errors = {
        "normal": {"hint": 9.0, "t500": 0.4, "t500_stranger": 0.5, "t900": 0.6,
                   "t900_stranger": 0.9},
        "albedo": {"hint": 9.0, "t500": 0.2, "t500_stranger": 0.4, "t900": 0.5,
                   "t900_stranger": 0.5},
    }  # fmt: skip
    assert identity_margin(errors) == pytest.approx((0.1 + 0.3 + 0.2 + 0.0) / 4)


def test_a_fifth_may_be_lost() -> None:
    watch = DriftWatch(reference=0.10, tolerance=0.2)
    assert not watch.drifted(0.081) and watch.drifted(0.079) and not watch.drifted(0.2)


def test_without_a_margin_there_is_nothing_to_lose() -> None:
    assert not DriftWatch(-0.01, 0.2).drifted(-0.5)


def test_reference_outlives_the_process(tmp_path: Path) -> None:
    assert read_reference(tmp_path / "new") is None
    write_reference(tmp_path / "new", 0.125)
    assert read_reference(tmp_path / "new") == 0.125

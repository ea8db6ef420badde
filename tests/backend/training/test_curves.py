# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves from training logs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d.errors import UserError
from idto3d.training.curves import draw, read_curves, smoothed


def write_log(folder: Path) -> Path:
    folder.mkdir(parents=True)
    lines = [{"stage": "base", "samples": 16 * n, "loss": 1 / (n + 1)} for n in range(20)]
    for samples in (100, 200):
        record = {"samples": samples, "normal": {"t500": 50 / samples, "t900": 1.0}}
        if samples == 200:
            record["normal"] |= {"t500_stranger": 0.4, "t900_stranger": 1.05}
        lines.append({"held_out": {"stage": "base", **record}})
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return log


def test_losses_and_held_out_errors_are_told_apart(tmp_path: Path) -> None:
    curves = read_curves(write_log(tmp_path / "base"))
    assert len(curves.loss) == 20 and curves.loss[3] == 0.25 and curves.samples[3] == 48
    assert curves.held_samples.tolist() == [100, 200]
    assert curves.held_error["normal"].tolist() == [0.5, 0.25] and len(curves.held_error) == 1
    assert np.isnan(curves.margin[0]) and curves.margin[1] == pytest.approx(0.1)


def test_smoothing_keeps_a_constant_and_its_length() -> None:
    np.testing.assert_allclose(smoothed(np.full(30, 2.0)), 2.0)
    np.testing.assert_allclose(smoothed(np.full(3, 2.0)), 2.0)
    assert smoothed(np.arange(30.0))[15] == pytest.approx(15)


def test_picture_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_log(tmp_path / "prior" / "training" / "base")
    draw(tmp_path / "prior", tmp_path / "out" / "curves.png")
    pixels = np.asarray(Image.open(tmp_path / "out" / "curves.png").convert("L"))
    assert pixels.shape[1] > 600 and pixels.std() > 10


def test_bad_logs_are_named(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(UserError, match="no training log"):
        draw(tmp_path, tmp_path / "curves.png")
    log = tmp_path / "log.jsonl"
    log.write_text('{"samples": 1, "loss"')
    with pytest.raises(UserError, match="log.jsonl can't be read"):
        read_curves(log)

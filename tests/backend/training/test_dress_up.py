# SPDX-License-Identifier: GPL-3.0-or-later
"""Teeth, fringes and plucked brows land where they should, and nowhere else."""

import numpy as np
import pytest
import torch

from idto3d.head.template import LIPS_INNER
from idto3d.training import dress_up as dressing
from idto3d.training.dress_up import dress_up

SIZE = 96
SKIN = np.array([0.7, 0.5, 0.4], np.float32)


def face(opening: float) -> np.ndarray:
    """Landmarks (68,2) of a front view; opening: height of the mouth in pixels."""
    marks = np.full((68, 2), 48.0)
    marks[0:17] = np.stack(
        [np.linspace(14, 82, 17), 60 + 28 * np.sin(np.linspace(0, np.pi, 17))], 1
    )
    marks[17:22] = np.stack([np.linspace(22, 40, 5), [32, 29, 28, 29, 31]], axis=1)
    marks[22:27] = np.stack([np.linspace(56, 74, 5), [31, 29, 28, 29, 32]], axis=1)
    marks[36:42] = [[24, 40], [28, 38], [33, 38], [37, 40], [33, 42], [28, 42]]
    marks[42:48] = [[59, 40], [63, 38], [68, 38], [72, 40], [68, 42], [63, 42]]
    across = np.linspace(38, 58, 5)
    bulge = 0.5 * opening * np.array([0, 0.8, 1, 0.8, 0])
    marks[60:65] = np.stack([across, 70 - bulge], axis=1)
    marks[65:68] = np.stack([across[3:0:-1], 70 + bulge[3:0:-1]], axis=1)
    return marks


def picture() -> torch.Tensor:
    image = np.tile(SKIN, (SIZE, SIZE, 1))
    image[64:76, 34:62] = [0.3, 0.08, 0.08]
    image[27:33, 20:76] = [0.15, 0.1, 0.08]
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for share in ("TEETH_SHARE", "FRINGE_SHARE", "PLUCKED_SHARE"):
        monkeypatch.setattr(dressing, share, float(share == name))


def dressed(opening: float, seed: int = 0) -> np.ndarray:
    marks = torch.from_numpy(face(opening))[None]
    found = dress_up(picture(), marks, np.random.default_rng(seed))
    assert found.dtype == torch.float32 and found.shape == (1, 3, SIZE, SIZE)
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    return found[0].permute(1, 2, 0).numpy()


def test_open_mouths_show_teeth_and_shut_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "TEETH_SHARE")
    before = picture()[0].permute(1, 2, 0).numpy()
    for seed in range(5):
        found = dressed(10.0, seed)
        assert found[66:69, 46:51].mean() > before[66:69, 46:51].mean() + 0.1
        changed = np.abs(found - before).max(axis=-1) > 0.02
        rows, columns = np.nonzero(changed)
        lips = face(10.0)[LIPS_INNER]
        assert rows.min() >= lips[:, 1].min() - 2 and rows.max() <= lips[:, 1].max() + 2
        assert columns.min() >= 36 and columns.max() <= 60
    assert np.array_equal(dressed(0.5), before)


def test_a_fringe_covers_the_forehead_and_no_eye(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "FRINGE_SHARE")
    before = picture()[0].permute(1, 2, 0).numpy()
    for seed in range(5):
        found = dressed(0.0, seed)
        assert np.abs(found[2:8, 30:66] - before[2:8, 30:66]).mean() > 0.05
        assert np.array_equal(found[50:], before[50:])


def test_plucked_brows_are_paler(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "PLUCKED_SHARE")
    before = picture()[0].permute(1, 2, 0).numpy()
    brow = (slice(28, 33), slice(26, 38))
    for seed in range(5):
        found = dressed(0.0, seed)
        assert found[brow].mean() > before[brow].mean() + 0.02
        assert np.array_equal(found[45:], before[45:])


def test_the_same_numbers_give_the_same_faces() -> None:
    assert np.array_equal(dressed(8.0, 3), dressed(8.0, 3))
    assert not np.array_equal(dressed(8.0, 3), dressed(8.0, 4))

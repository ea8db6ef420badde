# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the landmark network: loss, pictures, augmentation, and a training that goes on."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.identity.landmarks import CHIP_SIZE, LandmarkNet, load_network
from idto3d.training import landmark_augment
from idto3d.training.landmark_augment import augment, plain
from idto3d.training.landmarks import error_of, loss_of, train
from idto3d.training.regression import save_network

if TYPE_CHECKING:
    from idto3d.training.people import People

SIZE = 160


def toy(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count,SIZE,SIZE,4): a bright spot at each of 68 points (count,68,2), on a head."""
    random = np.random.default_rng(5)
    face = np.stack(
        [np.tile(np.linspace(40, 120, 17), 4), np.repeat(np.linspace(50, 120, 4), 17)], axis=1
    )
    points = (face + random.normal(0, 3, (count, 68, 2))).astype(np.float32)
    rows, columns = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    pictures = np.zeros((count, SIZE, SIZE, 4), np.uint8)
    pictures[..., 3] = 255
    for picture, marks in zip(pictures, points, strict=True):
        for x, y in marks[::9]:
            spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 40)
            picture[..., :3] = np.maximum(picture[..., :3], spot[..., None])
    return pictures, points


def test_loss_is_least_where_the_variance_is_the_error_s() -> None:
    truth = torch.full((1, 68, 2), 48.0)
    points = truth + torch.tensor([3.0, 4.0])  # squared error 25 over two coordinates
    losses = []
    for factor in (0.5, 1.0, 2.0):
        log_variance = torch.full((1, 68), math.log(12.5 * factor), requires_grad=True)
        loss_of(points, log_variance, truth).backward()
        losses.append(float(log_variance.grad.sum()))
    assert losses[0] < 0 and losses[1] == pytest.approx(0, abs=1e-5) and losses[2] > 0


def test_points_outside_of_the_chip_do_not_count() -> None:
    truth = torch.full((1, 68, 2), 48.0)
    points = truth + 2
    log_variance = torch.zeros(1, 68)
    whole = loss_of(points, log_variance, truth)
    truth[0, :30] = -5.0
    assert float(loss_of(points, log_variance, truth)) == pytest.approx(float(whole))


def test_points_move_with_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the chip the spots still lie at their points, flipped or not."""
    # The toy has no eyes: any five of its points that are well apart place the chip.
    monkeypatch.setattr(landmark_augment, "FIVE_POINTS", (66, 64, 51, 53, 25))
    pictures, points = toy(6)
    for draw in (plain, augment):
        chips, moved = draw(pictures, points, np.random.default_rng(2))
        assert chips.shape == (6, 3, CHIP_SIZE, CHIP_SIZE) and moved.shape == (6, 68, 2)
        assert chips.min() >= 0 and chips.max() <= 1
        again, _ = draw(pictures, points, np.random.default_rng(2))
        assert torch.equal(chips, again)
    chips, moved = plain(pictures, points, np.random.default_rng(2))
    inside = ((moved > 2) & (moved < CHIP_SIZE - 3)).all(dim=-1)
    marked = torch.zeros(68, dtype=torch.bool)
    marked[::9] = True
    for chip, marks, use in zip(chips, moved, inside & marked, strict=True):
        assert use.sum() >= 3
        columns, rows = marks[use].round().long().T
        assert chip[0, rows, columns].mean() > 0.6 > 3 * chip[0].mean()


def test_training_learns(tmp_path: Path) -> None:
    pictures, points = toy(4)
    torch.manual_seed(0)
    network = LandmarkNet()
    losses = train(network, pictures, points, samples=8 * 30, batch=8)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    error, ratio = error_of(network, pictures, points, hard=False)
    assert error.shape == ratio.shape == (68,) and np.isfinite(error).all()
    # The file holds half the precision and says the same.
    path = tmp_path / "folder" / "network.safetensors"
    save_network(network, path)
    chips, _ = plain(pictures, points, np.random.default_rng(0))
    with torch.no_grad():
        before, after = network(chips)[0], load_network(path)(chips)[0]
    assert (before - after).abs().max() < 0.3
    assert [file.name for file in path.parent.iterdir()] == ["network.safetensors"]


def test_pictures_of_people(people: "People", tmp_path: Path) -> None:
    """Inner landmarks lie on the head; shards are read back, and finished ones kept."""
    from idto3d.training.dataset import expression_table
    from idto3d.training.landmark_pictures import (
        VIEWS,
        random_expression,
        read_shards,
        render_shards,
    )

    table = expression_table(ASSETS / "expressions.json")
    random = np.random.default_rng(0)
    draws = [random_expression(table, random) for _ in range(400)]
    smiles = [draw for draw in draws if "mouthDimpleLeft" in draw]
    assert {} in draws and 100 < len(smiles) < 180
    assert all(0 <= w <= 1.5 for draw in draws for w in draw.values())
    assert max(draw["mouthSmileLeft"] for draw in smiles) > 1

    render_shards(tmp_path, people, 0, 1, table, "some")
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    render_shards(tmp_path, people, 0, 1, table, "some")
    assert path.stat().st_mtime_ns == written
    pictures, points = read_shards(tmp_path, "some")
    assert pictures.shape == (VIEWS, SIZE, SIZE, 4) and points.shape == (VIEWS, 68, 2)
    on_head = 0
    for picture, marks in zip(pictures, points, strict=True):
        columns, rows = np.clip(marks[27:].round().astype(int), 0, SIZE - 1).T
        on_head += (picture[rows, columns, 3] > 127).mean()
    assert on_head / VIEWS > 0.97
    assert 0.2 < (pictures[..., 3] > 127).mean() < 0.9

# SPDX-License-Identifier: GPL-3.0-or-later
"""Training for intrinsic images: pictures that move, losses, a training that learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from idto3d.identity.intrinsic_images import CHIP_SIZE, SIZE, IntrinsicNet
from idto3d.training.dataset import save_arrays
from idto3d.training.intrinsic_images import errors_of, loss_of, train
from idto3d.training.intrinsic_pictures import (
    FURTHEST_YAW,
    Move,
    Pictures,
    Truth,
    moved,
    prepare,
    read_pictures,
)

PICTURE = 128


def ball(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Normals (S,S,3) of a ball in the middle, zero beside it, and where it is (S,S)."""
    rows, columns = np.meshgrid(np.arange(PICTURE), np.arange(PICTURE), indexing="ij")
    x, y = (columns - 63.5) / radius, -(rows - 63.5) / radius
    inside = x**2 + y**2 < 1
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    return np.stack([x, y, z], axis=-1) * inside[..., None], inside


def pictures(count: int) -> Pictures:
    """Balls of one grey under a light from above, guessed a little smaller."""
    normal, inside = ball(44.0)
    guess, smaller = ball(42.0)

    def on_white(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        picture = np.where(mask[..., None], image, 1.0)
        return np.repeat((picture * 255 + 0.5).astype(np.uint8)[None], count, axis=0)

    shade = 0.6 * (0.3 + 0.7 * np.clip(normal @ [0.0, 0.8, 0.6], 0, 1))
    return Pictures(
        on_white(np.repeat(shade[..., None], 3, axis=-1), inside),
        on_white(0.5 * normal + 0.5, inside),
        on_white(np.full((PICTURE, PICTURE, 3), 0.6), inside),
        on_white(0.5 * guess + 0.5, smaller),
        np.arange(count, dtype=np.int32),
    )


def test_normals_turn_with_the_picture() -> None:
    """A ball is a ball from all sides: its normals stay what its places say."""
    normal, inside = ball(40.0)
    stacked = torch.from_numpy(normal.astype(np.float32)).permute(2, 0, 1).repeat(12, 1, 1, 1)
    mask = torch.from_numpy(inside.astype(np.float32)).repeat(12, 1, 1, 1)
    move = Move.draw(12, np.random.default_rng(0), 25.0, 0.2, 0.06, mirrored=True)
    turned, masks = moved(stacked, move, mask)
    assert 0 < float((move.flip < 0).sum()) < 12
    for row in range(12):
        rows, columns = torch.nonzero(masks[row, 0] > 0.999, as_tuple=True)
        places = torch.stack([columns.float(), rows.float(), torch.ones(len(rows))], dim=1)
        found = turned[row, :2, rows, columns].T
        plane = torch.linalg.lstsq(places, found).solution
        assert (places @ plane - found).abs().max() < 2e-3
        # x grows to the right, y upwards, both at the same rate, and neither with the other.
        assert float(plane[0, 0]) == pytest.approx(-float(plane[1, 1]), rel=1e-3)
        assert plane[0, 0] > 0.01
        assert abs(plane[0, 1]) < 1e-3 and abs(plane[1, 0]) < 1e-3


def test_prepared_pictures() -> None:
    batch = pictures(3)
    joined, truth = prepare(batch, np.random.default_rng(1), hard=False)
    assert joined.shape == (3, 6, CHIP_SIZE, CHIP_SIZE)
    assert truth.normal.shape == (3, 3, SIZE, SIZE) and truth.on_head.shape == (3, 1, SIZE, SIZE)
    known = truth.known[:, 0] > 0
    assert torch.allclose(truth.normal.movedim(1, -1)[known].norm(dim=-1), torch.ones(1), atol=1e-3)
    assert (truth.albedo.movedim(1, -1)[known] - 0.6).abs().max() < 0.01
    assert truth.on_head.mean() == pytest.approx(np.pi * 44**2 / PICTURE**2, rel=0.03)
    # The guess is wrong, but not by much, and zero beside the ball.
    middle = joined[:, 3:, 64, 64]
    assert (middle[:, 2] > 0.9).all() and joined[:, 3:, 2, 2].abs().max() == 0
    hard, moved_truth = prepare(batch, np.random.default_rng(1))
    assert hard[:, :3].min() >= 0 and hard[:, :3].max() <= 1
    assert not torch.equal(moved_truth.on_head, truth.on_head)
    again, _ = prepare(batch, np.random.default_rng(1))
    assert torch.equal(hard, again)


def answer(truth: Truth, log_variance: float) -> torch.Tensor:
    spread = torch.full_like(truth.on_head, log_variance)
    return torch.cat([truth.normal, spread, truth.albedo, 20 * truth.on_head - 10], dim=1)


def test_loss_knows_the_truth() -> None:
    _, truth = prepare(pictures(2), np.random.default_rng(1), hard=False)
    right = answer(truth, -5.0)
    least = loss_of(right, truth)
    for channel in (0, 4, 7):  # a normal, the albedo, the mask
        wrong = right.clone()
        wrong[:, channel] += 0.5 if channel < 7 else -8.0
        assert loss_of(wrong, truth) > least + 0.01
    # What lies on the outline is not known and does not count.
    outside = right.clone()
    outside[:, :7] = torch.where(truth.known > 0, outside[:, :7], torch.ones(1))
    outside[:, 3] = right[:, 3]
    assert torch.allclose(loss_of(outside, truth), least)


class Flat(nn.Module):
    """Says that everything looks at the camera, and finds the head where the guess is."""

    def forward(self, joined: torch.Tensor) -> torch.Tensor:
        small = functional.avg_pool2d(joined, 2)
        plain = torch.ones_like(small[:, :1])
        inside = small[:, 3:].norm(dim=1, keepdim=True) - 0.5
        return torch.cat([0 * plain, 0 * plain, plain, plain, *[0.7 * plain] * 3, inside], dim=1)


def test_errors_of_a_network_that_is_known() -> None:
    errors = errors_of(Flat(), pictures(4), hard=False)
    # Half of a ball's disc is turned away by more than 45 degrees.
    assert errors.degrees == pytest.approx(45, abs=1.5)
    assert errors.albedo == pytest.approx(0.1, abs=0.005)
    assert 0.8 < errors.overlap < 0.97  # the guess is smaller, and beside


def test_training_learns_and_goes_on(tmp_path: Path) -> None:
    batch = pictures(8)
    torch.manual_seed(3)
    network = IntrinsicNet()
    state = tmp_path / "state.safetensors"
    losses = train(network, batch, 24 * 4, state, batch=4)
    assert len(losses) == 24 and np.mean(losses[-4:]) < 0.6 * np.mean(losses[:4])
    # A finished training is read back, not begun anew.
    torch.manual_seed(4)
    other = IntrinsicNet()
    assert train(other, batch, 24 * 4, state, batch=4) == []
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_front_views_of_the_right_people(tmp_path: Path) -> None:
    batch = pictures(6)
    yaw = np.array([0.0, 60.0, FURTHEST_YAW + 5, -20.0, 170.0, 10.0], np.float32)
    person = np.array([0, 0, 0, 1, 1, 2], np.int32)
    arrays = {name: getattr(batch, name) for name in ("photo", "normal", "albedo", "hint")}
    save_arrays(tmp_path / "shard-00000.npz", {**arrays, "yaw": yaw, "person": person})
    save_arrays(tmp_path / "identities.npz", {"held_out": np.array([True, False, False])})
    assert read_pictures(tmp_path, held_out=True).person.tolist() == [0, 0]
    assert read_pictures(tmp_path, held_out=False).person.tolist() == [1, 2]

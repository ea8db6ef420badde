# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a growing dataset, and keeping held-out people out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.errors import UserError
from idto3d.training.latents import LatentStore
from idto3d.training.shards import IMAGE_KINDS, image_batches, is_held_out, open_dataset, read_shard
from tests.backend.training.toy_dataset import write_toy_dataset


def test_held_out_people_never_reach_a_batch(tmp_path: Path) -> None:
    folder = write_toy_dataset(tmp_path, size=16, people=2, shards=1)
    shard = read_shard(folder / "shard-00000.npz", ("albedo", "person"))
    forbidden = shard["albedo"][shard["person"] == 1][0, 8, 8] / 255
    allowed = shard["albedo"][shard["person"] == 0][0, 8, 8] / 255
    batches = image_batches(open_dataset(folder), 8, 100, torch.Generator().manual_seed(0))
    centres = torch.cat([next(batches)[:, :, 8, 8] for _ in range(30)])
    seen = [tuple(np.round(row, 3)) for row in centres.numpy().tolist()]
    assert tuple(np.round(allowed, 3)) in seen
    assert tuple(np.round(forbidden, 3)) not in seen


def test_people_beyond_the_table_are_not_held_out() -> None:
    held_out = np.array([False, True])
    assert is_held_out(np.array([0, 1, 2]), held_out).tolist() == [False, True, False]
    assert is_held_out(np.array([0, 1]), np.zeros(0, bool)).tolist() == [False, False]


def test_store_takes_in_new_shards_and_uses_its_cache(tmp_path: Path) -> None:
    folder = write_toy_dataset(tmp_path / "data", size=16, shards=2, per_shard=4)
    encoded = []

    def encode(images: torch.Tensor) -> torch.Tensor:
        encoded.append(len(images))
        return images[:, :, ::8, ::8]

    dataset = open_dataset(folder)
    store = LatentStore(dataset, tmp_path / "cache", encode, lambda latents: latents)
    assert store.refresh(1) == 1
    assert len(store) == 4
    assert store.latents["photo"].shape == (4, 3, 2, 2)
    assert store.refresh(5) == 1
    assert store.refresh(5) == 0
    (folder / "shard-00002.npz").write_bytes((folder / "shard-00001.npz").read_bytes())
    assert store.refresh(5) == 1
    assert len(store) == 12
    assert sum(encoded) == 12 * len(IMAGE_KINDS)
    again = LatentStore(dataset, tmp_path / "cache", encode, lambda latents: latents)
    again.refresh(5)
    assert sum(encoded) == 12 * len(IMAGE_KINDS)
    assert torch.equal(again.latents["normal"], store.latents["normal"])


def test_bad_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dataset.json is missing"):
        open_dataset(tmp_path)
    folder = write_toy_dataset(tmp_path / "data", size=16, shards=1)
    (folder / "identities.npz").unlink()
    with pytest.raises(UserError, match="no identities.npz"):
        open_dataset(folder).identities()
    shard = folder / "shard-00000.npz"
    shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(UserError, match="shard-00000.npz is damaged"):
        read_shard(shard, ("photo",))
    shard.unlink()
    with pytest.raises(UserError, match="holds no shard yet"):
        open_dataset(folder)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A dataset of coloured balls in the training format: each person has a colour and a size."""

import json
from pathlib import Path

import numpy as np

EXPRESSIONS = ("neutral", "smile", "jaw_open")


def write_toy_dataset(
    folder: Path, size: int = 64, people: int = 6, shards: int = 2, per_shard: int = 16
) -> Path:
    """Write a dataset folder; the last person is held out."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    colours = random.uniform(0.2, 0.9, (people, 3))
    for index in range(shards):
        arrays = _draw_shard(random, colours, size, per_shard)
        np.savez(folder / f"shard-{index:05d}.npz", **arrays)
    embedding = random.normal(size=(people, 1, 128)) + 0.05 * random.normal(size=(people, 8, 128))
    held_out = np.arange(people) == people - 1
    np.savez(folder / "identities.npz", embedding=embedding.astype(np.float32), held_out=held_out)
    description = {
        "version": 1,
        "image_size": size,
        "count": shards * per_shard,
        "people": people,
        "expressions": list(EXPRESSIONS),
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def _draw_shard(
    random: np.random.Generator, colours: np.ndarray, size: int, count: int
) -> dict[str, np.ndarray]:
    person = np.arange(count) % len(colours)
    expression = random.integers(0, len(EXPRESSIONS), count)
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(grid, -grid)
    radius = (0.5 + 0.3 * colours[person, 0])[:, None, None]
    inside = x**2 + y**2 < radius**2
    z = np.sqrt(np.clip(radius**2 - x**2 - y**2, 0, None))
    normal = np.stack(np.broadcast_arrays(x, y, z), -1) / radius[..., None] / 2 + 0.5
    albedo = np.broadcast_to(colours[person][:, None, None], normal.shape)
    photo = albedo * normal[..., 2:]

    def finish(image: np.ndarray) -> np.ndarray:
        return (np.where(inside[..., None], image, 1.0) * 255).round().astype(np.uint8)

    return {
        "photo": finish(photo),
        "normal": finish(normal),
        "albedo": finish(albedo),
        "hint": finish(normal),
        "painted": finish(np.broadcast_to([0.7, 0.5, 0.4], normal.shape)),
        "person": person.astype(np.int32),
        "expression": expression.astype(np.int16),
        "caption": np.array(
            [f"a front view face portrait of ball number {p}" for p in person], dtype="<U200"
        ),
        "yaw": np.zeros(count, np.float32),
        "pitch": np.zeros(count, np.float32),
        "close_up": np.zeros(count, bool),
        "landmarks": np.full((count, 68, 2), size / 2 - 0.5, np.float32),
    }

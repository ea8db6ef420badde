# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the training dataset: a folder of NPZ shards that may grow while training runs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from idto3d.errors import UserError

IMAGE_KINDS = ("photo", "normal", "albedo", "hint", "painted")


@dataclass(frozen=True)
class Identities:
    """Embeddings of the people, from other renders than the training images."""

    embedding: np.ndarray  # (P, E, D) float32: E embeddings a person
    held_out: np.ndarray  # (P,) bool: never trained on
    known: np.ndarray  # (P,) bool: embedded already; more follow while the dataset grows

    def trained(self) -> np.ndarray:
        """(Q, E, D): embeddings of the people that may be trained on."""
        return self.embedding[self.known & ~self.held_out]


@dataclass(frozen=True)
class Dataset:
    """A dataset folder; `shards()` looks at the disk anew each time."""

    folder: Path
    image_size: int
    expressions: tuple[str, ...]

    def shards(self) -> list[Path]:
        """Paths of the finished shards, sorted."""
        return sorted(self.folder.glob("shard-*.npz"))

    def identities(self) -> Identities:
        """Read identities.npz. Raises UserError when it is missing."""
        path = self.folder / "identities.npz"
        if not path.is_file():
            raise UserError(
                f"The dataset {self.folder} has no identities.npz. Let `idto3d dataset` finish it."
            )
        with np.load(path, allow_pickle=False) as arrays:
            held_out = arrays["held_out"]
            known = arrays["known"] if "known" in arrays else np.ones_like(held_out)
            return Identities(arrays["embedding"].astype(np.float32), held_out, known)

    def held_out(self) -> np.ndarray:
        """(P,) bool; empty as long as identities.npz is missing."""
        if not (self.folder / "identities.npz").is_file():
            return np.zeros(0, dtype=bool)
        return self.identities().held_out


def open_dataset(folder: Path) -> Dataset:
    """Open a folder made by `idto3d dataset`. Raises UserError when there is nothing in it."""
    index = folder / "dataset.json"
    if not index.is_file():
        raise UserError(
            f"{folder} is not a training dataset: dataset.json is missing. "
            "Make one with `idto3d dataset`."
        )
    description = json.loads(index.read_text())
    dataset = Dataset(folder, int(description["image_size"]), tuple(description["expressions"]))
    if not dataset.shards():
        raise UserError(f"{folder} holds no shard yet. Wait for `idto3d dataset` to write one.")
    return dataset


def read_shard(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of one shard. Raises UserError when the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in keys}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"The shard {path} is damaged ({error}). Delete it and go on.") from error


def is_held_out(person: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Which of the samples' people (M,) int are held out -> (M,) bool."""
    known = person < len(held_out)
    return known & held_out[np.where(known, person, 0)] if len(held_out) else np.zeros_like(known)


def image_batches(
    dataset: Dataset, batch_size: int, pool_megabytes: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Endless batches (B, 3, H, W) float32 in [0, 1] of mixed kinds, held-out people excluded.

    A pool of shards is held in memory; each time as many images were drawn as a shard holds, the
    oldest shard makes room for the next one, and the folder is listed anew after each pass.
    """
    pool: list[np.ndarray] = []
    budget = pool_megabytes * 2**20
    while True:
        held_out = dataset.held_out()
        paths = dataset.shards()
        for index in torch.randperm(len(paths), generator=generator).tolist():
            arrays = read_shard(paths[index], ("person", *IMAGE_KINDS))
            keep = ~is_held_out(arrays["person"], held_out)
            images = np.concatenate([arrays[kind][keep] for kind in IMAGE_KINDS])
            if not len(images):
                continue
            pool.append(images)
            while len(pool) > 1 and sum(part.nbytes for part in pool) > budget:
                pool.pop(0)
            for _ in range(max(1, len(images) // batch_size)):
                yield _draw(pool, batch_size, generator)
        if not pool:
            raise UserError(f"{dataset.folder} holds held-out people only. Render more people.")


def _draw(pool: list[np.ndarray], count: int, generator: torch.Generator) -> torch.Tensor:
    shard = torch.randint(len(pool), (count,), generator=generator).tolist()
    place = torch.rand(count, generator=generator).tolist()
    rows = [pool[s][int(p * len(pool[s]))] for s, p in zip(shard, place, strict=True)]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() / 255

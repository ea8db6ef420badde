# SPDX-License-Identifier: GPL-3.0-or-later
"""Training latents: each shard is encoded once, kept on disk as float16 and held in memory."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from idto3d.training.shards import IMAGE_KINDS, Dataset, Identities, read_shard

Code = Callable[[torch.Tensor], torch.Tensor]
_LABELS = ("person", "expression", "caption", "yaw", "pitch", "close_up", "landmarks")
_ENCODE_BATCH = 32


@dataclass
class LatentStore:
    """All samples encoded so far; `refresh` takes in shards that appeared meanwhile.

    encode: images (B, 3, H, W) in [0, 1] -> scaled latents (B, C, h, w); decode: the way back.
    """

    dataset: Dataset
    folder: Path  # of the cache; its name tells which autoencoder made it
    encode: Code
    decode: Code
    latents: dict[str, torch.Tensor] = field(default_factory=dict)  # kind -> (M, C, h, w) float16
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # label -> (M,)
    known: set[Path] = field(default_factory=set)
    identities: Identities = field(init=False)

    def __post_init__(self) -> None:
        self.identities = self.dataset.identities()

    def __len__(self) -> int:
        return len(self.labels["person"]) if self.labels else 0

    def refresh_cached(self) -> None:
        """Take in every shard that was encoded before."""
        self.refresh(sum((self.folder / path.name).is_file() for path in self.dataset.shards()))

    def refresh(self, most: int) -> int:
        """Read the identities anew and take in up to `most` new shards; returns how many."""
        self.identities = self.dataset.identities()
        new = [path for path in self.dataset.shards() if path not in self.known]
        # Shards in the cache cost next to nothing.
        new.sort(key=lambda path: not (self.folder / path.name).is_file())
        for path in new[:most]:
            self._append(self._load(path))
            self.known.add(path)
        return len(new[:most])

    def _load(self, path: Path) -> dict[str, np.ndarray]:
        cached = self.folder / path.name
        if cached.is_file():
            return read_shard(cached, (*IMAGE_KINDS, *_LABELS))
        arrays = read_shard(path, (*IMAGE_KINDS, *_LABELS))
        for kind in IMAGE_KINDS:
            arrays[kind] = self._encode_images(arrays[kind])
        self.folder.mkdir(parents=True, exist_ok=True)
        # Several processes may encode the same shard: each writes its own file, the last one stays.
        temporary = cached.with_suffix(f".{os.getpid()}.tmp.npz")
        np.savez(temporary, allow_pickle=False, **arrays)
        os.replace(temporary, cached)
        return arrays

    @torch.no_grad()
    def _encode_images(self, images: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), _ENCODE_BATCH):
            batch = torch.from_numpy(images[start : start + _ENCODE_BATCH])
            parts.append(self.encode(batch.permute(0, 3, 1, 2).float() / 255).half().cpu().numpy())
        return np.concatenate(parts)

    def _append(self, arrays: dict[str, np.ndarray]) -> None:
        for kind in IMAGE_KINDS:
            own = torch.from_numpy(arrays[kind])
            old = self.latents.get(kind)
            self.latents[kind] = own if old is None else torch.cat([old, own])
        for label in _LABELS:
            old_label = self.labels.get(label)
            own_label = arrays[label]
            self.labels[label] = (
                own_label if old_label is None else np.concatenate([old_label, own_label])
            )

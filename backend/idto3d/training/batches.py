# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing diffusion batches: latents, noise level, and conditions with classifier-free dropout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from idto3d.prior.condition import name_kind
from idto3d.prior.identity import arrange_photos
from idto3d.training.importance import loss_weight
from idto3d.training.latent_metric import covariance, detail_metric
from idto3d.training.latents import LatentStore
from idto3d.training.settings import DiffusionSettings
from idto3d.training.shards import is_held_out

# Enough to tell which directions of the latents vary.
_METRIC_SAMPLES = 4000


@dataclass(frozen=True)
class Batch:
    """Inputs of one loss evaluation for B samples."""

    clean: torch.Tensor  # (B, C, h, w)
    noise: torch.Tensor  # (B, C, h, w)
    timesteps: torch.Tensor  # (B,) int64
    hint: torch.Tensor  # (B, C, h, w), or (B, 2 C, h, w) with the painted template's
    origin: torch.Tensor  # (B, C, h, w), what is subtracted before noise: the hint of normals
    text_ids: torch.Tensor  # (B, T) int64
    identity: torch.Tensor  # (B, N, D) unit embeddings
    identity_keep: torch.Tensor  # (B, 1, 1) 0 or 1
    expression: torch.Tensor  # (B,) int64, index in the vocabulary
    expression_keep: torch.Tensor  # (B, 1, 1) 0 or 1
    weight: torch.Tensor  # (B, 1, h, w) of the loss, mean 1

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Sampler:
    """Draws batches from a store; `kinds` maps image kind to its probability."""

    store: LatentStore
    tokenizer: PreTrainedTokenizerBase
    expression_texts: Sequence[str]  # by index
    photos: int
    kinds: Mapping[str, float]
    settings: DiffusionSettings
    expression_in_caption: float
    spatial_hint: bool  # normals are then denoised as their difference from the hint
    painted_hint: bool  # the template's colours follow its normals

    def rows(self, held_out: bool) -> np.ndarray:
        """Indices of the store's samples of trained or of held-out people."""
        person, identities = self.store.labels["person"], self.store.identities
        known = np.append(identities.known, False)[np.minimum(person, len(identities.known))]
        return ((is_held_out(person, identities.held_out) == held_out) & known).nonzero()[0]

    def draw(self, rows: np.ndarray, generator: torch.Generator) -> Batch:
        """A batch of the given samples with random kinds, noise, photos and dropout."""
        count, s = len(rows), self.settings
        names = list(self.kinds)
        weights = torch.tensor([self.kinds[name] for name in names])
        choice = torch.multinomial(weights, count, replacement=True, generator=generator).tolist()
        kinds = [names[index] for index in choice]
        every = torch.rand(count, generator=generator) < s.drop_all
        drop_text, drop_identity, drop_expression = (
            (torch.rand(count, generator=generator) < probability) | every
            for probability in (s.drop_text, s.drop_identity, s.drop_expression)
        )
        spoken = torch.rand(count, generator=generator) < self.expression_in_caption
        timesteps = torch.randint(s.train_timesteps, (count,), generator=generator)
        captions = self.captions(rows, kinds, spoken.tolist())
        texts = ["" if drop else c for c, drop in zip(captions, drop_text, strict=True)]
        clean = self.clean(rows, kinds)
        hint = self.hint(rows)
        return Batch(
            clean=clean,
            noise=torch.randn(clean.shape, generator=generator),
            timesteps=timesteps,
            hint=hint,
            origin=self.origin(hint, kinds),
            text_ids=self.tokenize(texts),
            identity=self.photos_of(rows, generator),
            identity_keep=(~drop_identity).float().view(-1, 1, 1),
            expression=torch.from_numpy(self.store.labels["expression"][rows]).long(),
            expression_keep=(~drop_expression).float().view(-1, 1, 1),
            weight=self.weight(rows, clean.shape[-1]),
        )

    def hint(self, rows: np.ndarray) -> torch.Tensor:
        """(B, C or 2 C, h, w) of samples, normals first."""
        kinds = ("hint", "painted") if self.painted_hint else ("hint",)
        return torch.cat([self.store.latents[kind][rows].float() for kind in kinds], dim=1)

    def metric(self) -> torch.Tensor:
        """(C, C) of the loss, by what has been encoded of all kinds, of large sets a part."""
        some = slice(None, None, 1 + len(self.store) // _METRIC_SAMPLES)
        latents = {kind: values[some].float() for kind, values in self.store.latents.items()}
        parts = (latents[kind] - self.origin(latents["hint"], [kind]) for kind in self.kinds)
        return detail_metric(covariance(parts), self.settings.detail_power)

    def weight(self, rows: np.ndarray, cells: int) -> torch.Tensor:
        """(B, 1, cells, cells) of the loss."""
        labels = self.store.labels
        marks = torch.from_numpy(labels["landmarks"][rows]).float()
        yaw = torch.from_numpy(labels["yaw"][rows]).float()
        return loss_weight(marks, yaw, self.store.dataset.image_size, cells)

    def origin(self, hint: torch.Tensor, kinds: Sequence[str]) -> torch.Tensor:
        """The hint where normals are denoised as their difference from it, zero elsewhere."""
        normal = torch.tensor([kind == "normal" for kind in kinds]) & self.spatial_hint
        normals = hint[:, : self.store.latents["normal"].shape[1]]
        return normals * normal.view(-1, 1, 1, 1)

    def clean(self, rows: np.ndarray, kinds: Sequence[str]) -> torch.Tensor:
        """Latents (B, C, h, w) float32 of samples, each of its own kind."""
        parts = [self.store.latents[kind][row] for row, kind in zip(rows, kinds, strict=True)]
        return torch.stack(parts).float()

    def captions(self, rows: np.ndarray, kinds: Sequence[str], spoken: Sequence[bool]) -> list[str]:
        """Captions that name the kind, and where `spoken` the expression too."""
        texts = []
        for row, kind, tell in zip(rows, kinds, spoken, strict=True):
            caption = str(self.store.labels["caption"][row])
            expression = self.expression_texts[self.store.labels["expression"][row]]
            texts.append(name_kind(f"{caption}, {expression}" if tell else caption, kind))
        return texts

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        """(B, T) int64, padded to the encoder's length."""
        length = self.tokenizer.model_max_length
        return self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=length,
            return_tensors="pt",
        ).input_ids

    def photos_of(self, rows: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        """(B, N, D): between 1 and N different embeddings of each person, repeated up to N."""
        embedding = self.store.identities.embedding
        chosen = []
        for person in self.store.labels["person"][rows]:
            most = min(self.photos, embedding.shape[1])
            # Half of the time all N, else fewer: one photo must work too.
            some = int(torch.randint(1, 2 * most + 1, (), generator=generator))
            order = torch.randperm(embedding.shape[1], generator=generator)[: min(some, most)]
            chosen.append(arrange_photos(torch.from_numpy(embedding[person])[order], self.photos))
        return torch.stack(chosen)

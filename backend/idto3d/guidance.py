# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prior is told about each view, and the gradient it gives back."""

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from idto3d.prior.captions import portrait_caption, view_words
from idto3d.prior.linear_encoder import CELL, LinearEncoder, fit_linear_encoder
from idto3d.prior.load import Prior
from idto3d.prior.manifest import LATENT_FACTOR
from idto3d.prior.memory import MemoryPlan
from idto3d.prior.score_distillation import Distillation, DistillationSettings, distill
from idto3d.render.cameras import Cameras, sample_cameras
from idto3d.render.normals import supersampled, supersampled_normals, vertex_normals

FITTED_VIEWS = 48  # that the linear encoder is fitted to


@dataclass(frozen=True)
class Expression:
    """One entry of the vocabulary."""

    name: str
    arkit: dict[str, float]


def chosen_expressions(names: tuple[str, ...], vocabulary: Path) -> list[Expression]:
    """The neutral expression first, then the asked ones in their order."""
    table = {
        row["name"]: row["arkit"]
        for row in json.loads(vocabulary.read_text(encoding="utf-8"))["expressions"]
    }
    wanted = ["neutral", *(name for name in names if name != "neutral")]
    return [Expression(name, table[name]) for name in wanted]


@dataclass(frozen=True)
class Guide:
    """A prior for one domain, told who the person is."""

    prior: Prior
    identity: Tensor  # (N,D) embeddings
    person: str  # 'a young woman' without the article, for captions
    traits: str  # 'pale skin', or nothing
    expressions: tuple[str, ...]  # names; a view's expression is an index into them
    hint: Tensor  # (K,V,3) the shaped template in each expression
    hint_faces: Tensor  # (F,3)
    hint_colours: Tensor  # (V,3) what a painted hint shows
    plan: MemoryPlan = MemoryPlan()  # how the prior is called

    @property
    def image_size(self) -> int:
        return self.prior.manifest.image_size

    @cached_property
    def hint_normals(self) -> Tensor:
        """(K,V,3) of the hint, which stays as it is."""
        return vertex_normals(self.hint, self.hint_faces)

    @property
    def coarse_size(self) -> int:
        """Pixels along the pictures of the coarse phase."""
        return self.image_size // LATENT_FACTOR * CELL

    @cached_property
    def linear_encoder(self) -> LinearEncoder:
        """Fitted to the autoencoder on pictures of the neutral hint; the same each time."""
        cameras = sample_cameras(FITTED_VIEWS, torch.Generator().manual_seed(0), 0.4)
        device = self.hint.device
        pictures = supersampled_normals(
            self.hint[0].expand(FITTED_VIEWS, -1, -1), self.hint_faces, cameras.to(device),
            self.image_size, normals=self.hint_normals[:1].expand(FITTED_VIEWS, -1, -1),
        )  # fmt: skip
        return fit_linear_encoder(self._encode_some, pictures.movedim(-1, 1))

    def _encode_some(self, pictures: Tensor) -> Tensor:
        """Latents of pictures (N,3,H,W), a few at a time."""
        return torch.cat([self.prior.encode(some) for some in pictures.split(4)])

    def gradient(
        self,
        images: Tensor,
        cameras: Cameras,
        chosen: Tensor,
        timesteps: Tensor,
        generator: torch.Generator,
        settings: DistillationSettings,
        coarse: bool = False,
    ) -> Distillation:
        """Score distillation on images (B,H,W,3) of expressions `chosen` (B,) from `cameras`.

        coarse: the images have `coarse_size`, and latents come from the linear encoder.

        With the plan's micro-batches the gradient on the images is found a few at a time; the loss
        then has the same value and the same gradient.
        """
        settings = dataclasses.replace(settings, split_branches=self.plan.split_branches)
        size = self.plan.micro_batch or len(images)
        if size >= len(images):
            return self._gradient(images, cameras, chosen, timesteps, generator, settings, coarse)
        pictures = images.detach().requires_grad_()
        parts: list[Distillation] = []
        for start in range(0, len(images), size):
            rows = torch.arange(start, min(start + size, len(images)))
            part = self._gradient(
                pictures[rows], cameras[rows.to(cameras.yaw.device)], chosen[rows],
                timesteps[rows], generator, settings, coarse,
            )  # fmt: skip
            # A part's loss is a mean over its own pictures.
            (part.loss * (len(rows) / len(images))).backward()
            parts.append(dataclasses.replace(part, loss=part.loss.detach()))
        weights = [len(part.gradient) / len(images) for part in parts]
        value = sum(w * part.loss for w, part in zip(weights, parts, strict=True))
        assert pictures.grad is not None
        pull = (images * pictures.grad).sum()
        return Distillation(
            value + pull - pull.detach(),
            torch.cat([part.gradient for part in parts]),
            torch.cat([part.clean for part in parts]),
            timesteps,
        )

    def _gradient(
        self,
        images: Tensor,
        cameras: Cameras,
        chosen: Tensor,
        timesteps: Tensor,
        generator: torch.Generator,
        settings: DistillationSettings,
        coarse: bool,
    ) -> Distillation:
        """All pictures at once."""
        encode = self.linear_encoder.encode if coarse else self.prior.encode
        latents = encode(images.movedim(-1, 1))
        captions = [
            portrait_caption(view_words(float(y), float(p), bool(c)), self.person, self.traits)
            for y, p, c in zip(cameras.yaw, cameras.pitch, cameras.close_up, strict=True)
        ]
        names = None  # a prior without adapters knows no expressions
        if self.prior.manifest.expression_texts:
            names = [self.expressions[index] for index in chosen.tolist()]
        hint_latents = None
        if self.prior.manifest.spatial_hint:
            hint_latents = self._hint_latents(cameras, chosen, coarse)
        return distill(
            self.prior,
            latents,
            self.prior.condition(captions, self.identity, names),
            self.prior.unconditional(len(images)),
            timesteps,
            generator,
            settings,
            hint_latents,
        )

    @torch.no_grad()
    def _hint_latents(self, cameras: Cameras, chosen: Tensor, coarse: bool) -> Tensor:
        """(B,C,h,w) of the template's normals in expressions `chosen` (B,), and (B,2 C,h,w) with
        its colours after them for a prior with a painted hint."""
        colours = self.hint_colours if self.prior.manifest.painted_hint else None
        pictures = supersampled(
            self.hint[chosen], self.hint_faces, cameras, self.image_size, colours,
            normals=self.hint_normals[chosen],
        )  # fmt: skip
        normals, *painted = (picture.movedim(-1, 1) for picture in pictures)
        if coarse:
            small = functional.interpolate(normals, size=(self.coarse_size,) * 2, mode="area")
            parts = [self.linear_encoder.encode(small)]
        else:
            parts = [self.prior.encode(normals)]
        return torch.cat([*parts, *(self.prior.encode(picture) for picture in painted)], dim=1)


def draw_expressions(
    count: int, total: int, neutral_share: float, generator: torch.Generator
) -> Tensor:
    """(count,) int64 in [0, total): the neutral one (0) with its share, the others evenly."""
    if total == 1:
        return torch.zeros(count, dtype=torch.int64)
    other = torch.randint(1, total, (count,), generator=generator)
    neutral = torch.rand(count, generator=generator) < neutral_share
    return torch.where(neutral, 0, other)


def tone_words(tone: tuple[float, float, float]) -> str:
    """The captions' word for an sRGB skin colour."""
    levels = np.array([0.85, 0.76, 0.66, 0.53, 0.40, 0.28, 0.20])
    words = ("very pale", "pale", "light brown", "tan", "brown", "dark brown", "very dark")
    return f"{words[int(np.abs(levels - np.mean(tone)).argmin())]} skin"

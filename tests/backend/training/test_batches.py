# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diffusion batch holds: the right pictures, words, photos and dropout."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.prior.denoiser import NoiseSchedule
from idto3d.training.batches import Batch, Sampler
from idto3d.training.diffusion import diffusion_loss
from idto3d.training.latents import LatentStore
from idto3d.training.settings import DiffusionSettings
from idto3d.training.shards import open_dataset
from idto3d.training.text import make_tokenizer
from tests.backend.training.toy_dataset import write_toy_dataset

EXPRESSION_TEXTS = ["a neutral expression", "a closed mouth smile", "a wide open mouth"]


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    dataset = open_dataset(write_toy_dataset(tmp_path / "data", size=16, people=4, shards=1))
    store = LatentStore(
        dataset, tmp_path / "cache", lambda images: images[:, :, ::8, ::8], lambda latents: latents
    )
    store.refresh(1)
    words = [str(c) for c in store.labels["caption"]]
    tokenizer = make_tokenizer(
        [*words, *EXPRESSION_TEXTS, "a photo of", "a normal map of", "an albedo map of", ","], 24
    )
    kinds = {"photo": 0.5, "normal": 0.25, "albedo": 0.25}
    return Sampler(
        store, tokenizer, EXPRESSION_TEXTS, 5, kinds, DiffusionSettings(), 0.5, True, True
    )


def _words(sampler: Sampler, batch: Batch) -> list[str]:
    return sampler.tokenizer.batch_decode(batch.text_ids, skip_special_tokens=True)


def test_caption_names_the_picture_it_goes_with(sampler: Sampler) -> None:
    rows = np.resize(sampler.rows(held_out=False), 60)
    batch = sampler.draw(rows, torch.Generator().manual_seed(0))
    latents = sampler.store.latents
    kinds = {"a photo of": "photo", "a normal map of": "normal", "an albedo map of": "albedo"}
    counted = dict.fromkeys(kinds.values(), 0)
    for row, clean, words in zip(rows, batch.clean, _words(sampler, batch), strict=True):
        for phrase, kind in kinds.items():
            if words.startswith(phrase):
                counted[kind] += 1
                assert torch.equal(clean, latents[kind][row].float())
                assert f"ball number {sampler.store.labels['person'][row]}" in words
    assert counted["photo"] > counted["normal"] > 4
    assert counted["albedo"] > 4
    normals, painted = batch.hint.chunk(2, dim=1)
    assert torch.equal(normals, latents["hint"][rows].float())
    assert torch.equal(painted, latents["painted"][rows].float())
    alone = dataclasses.replace(sampler, painted_hint=False)
    assert torch.equal(alone.hint(rows), normals)


def test_normals_start_from_the_hint_where_there_is_one(sampler: Sampler) -> None:
    rows = np.resize(sampler.rows(held_out=False), 60)
    batch = sampler.draw(rows, torch.Generator().manual_seed(0))
    for hint, origin, words in zip(batch.hint, batch.origin, _words(sampler, batch), strict=True):
        if words.startswith("a normal map of"):
            assert torch.equal(origin, hint[: len(origin)])
        elif words:
            assert not origin.any()
    without = dataclasses.replace(sampler, spatial_hint=False)
    assert not without.draw(rows, torch.Generator().manual_seed(0)).origin.any()


def test_expression_is_told_in_about_half_of_the_captions(sampler: Sampler) -> None:
    rows = np.resize(sampler.rows(held_out=False), 200)
    batch = sampler.draw(rows, torch.Generator().manual_seed(0))
    told = 0
    for row, words in zip(rows, _words(sampler, batch), strict=True):
        if "," in words:
            told += 1
            assert words.endswith(EXPRESSION_TEXTS[sampler.store.labels["expression"][row]])
    assert 60 < told < 120


def test_conditions_drop_alone_and_together(sampler: Sampler) -> None:
    settings = DiffusionSettings(
        drop_text=0.2, drop_identity=0.1, drop_expression=0.1, drop_all=0.1
    )
    sampler = dataclasses.replace(sampler, settings=settings)
    rows = np.resize(sampler.rows(held_out=False), 3000)
    batch = sampler.draw(rows, torch.Generator().manual_seed(0))
    text = (batch.text_ids == sampler.tokenize([""])).all(dim=1)
    identity = batch.identity_keep.flatten() == 0
    expression = batch.expression_keep.flatten() == 0
    share = {
        "text": text.float().mean(),
        "identity": identity.float().mean(),
        "all": (text & identity & expression).float().mean(),
        "text only": (text & ~identity & ~expression).float().mean(),
    }
    assert abs(share["text"] - 0.28) < 0.04
    assert abs(share["identity"] - 0.19) < 0.04
    assert abs(share["all"] - 0.1) < 0.03
    assert abs(share["text only"] - 0.9 * 0.2 * 0.9 * 0.9) < 0.04


def test_photos_are_the_persons_own_and_sometimes_few(sampler: Sampler) -> None:
    rows = np.resize(sampler.rows(held_out=False), 100)
    photos = sampler.photos_of(rows, torch.Generator().manual_seed(0))
    embedding = torch.nn.functional.normalize(
        torch.from_numpy(sampler.store.identities.embedding), dim=-1
    )
    different = []
    for row, own in zip(rows, photos, strict=True):
        person = embedding[sampler.store.labels["person"][row]]
        distance = torch.cdist(own, person).min(dim=1).values
        assert distance.max() < 1e-3
        different.append(len(torch.unique(own, dim=0)))
    assert set(different) == {1, 2, 3, 4, 5}
    assert different.count(5) > 40


def test_rows_skip_people_who_are_held_out_or_unknown(sampler: Sampler) -> None:
    person = sampler.store.labels["person"]
    assert set(person[sampler.rows(held_out=True)]) == {3}
    assert set(person[sampler.rows(held_out=False)]) == {0, 1, 2}
    sampler.store.identities.known[1] = False
    assert set(person[sampler.rows(held_out=False)]) == {0, 2}


@pytest.mark.parametrize("kind", ["v_prediction", "epsilon"])
def test_loss_weighs_the_clean_images_error(sampler: Sampler, kind: str) -> None:
    """With the true output plus what a clean error e makes of it, the loss is min(SNR, g) e^2."""
    batch = sampler.draw(sampler.rows(held_out=False)[:4], torch.Generator().manual_seed(0))
    batch = dataclasses.replace(batch, timesteps=torch.tensor([50, 300, 600, 950]))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()
    schedule = NoiseSchedule.from_cumulative((1 - betas).cumprod(0))
    alpha, sigma = schedule.at(batch.timesteps, batch.clean)
    error = 0.1

    def denoiser(noisy: torch.Tensor, given: Batch) -> torch.Tensor:
        clean = given.clean - given.origin + error
        noise = (noisy - alpha * clean) / sigma
        return alpha * noise - sigma * clean if kind == "v_prediction" else noise

    expected = ((alpha / sigma).square().clamp(max=5) * error**2).mean()
    even = torch.eye(batch.clean.shape[1])
    loss = diffusion_loss(denoiser, batch, schedule, kind, 5.0, even)  # type: ignore[arg-type]
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0)


def test_loss_counts_errors_by_the_weight_of_their_cell(sampler: Sampler) -> None:
    rows = sampler.rows(held_out=False)[:4]
    batch = sampler.draw(rows, torch.Generator().manual_seed(0))
    schedule = NoiseSchedule.from_cumulative(torch.linspace(0.999, 0.01, 1000))
    half = torch.zeros_like(batch.weight)
    half[..., : half.shape[-1] // 2] = 1.0

    class Wrong(torch.nn.Module):
        """Right on the left half, wrong on the right."""

        def forward(self, noisy: torch.Tensor, batch: Batch) -> torch.Tensor:
            alpha, sigma = schedule.at(batch.timesteps, noisy)
            target = alpha * batch.noise - sigma * (batch.clean - batch.origin)
            return target + (1 - half)

    def loss(weight: torch.Tensor) -> float:
        own = dataclasses.replace(batch, weight=weight)
        return float(diffusion_loss(Wrong(), own, schedule, "v_prediction", 5.0, metric))

    metric = torch.eye(batch.clean.shape[1])
    assert loss(half) == pytest.approx(0.0, abs=1e-9)
    assert loss(1 - half) == pytest.approx(loss(torch.ones_like(half)), rel=1e-5)
    assert loss(torch.ones_like(half)) > 0.01
    even = loss(torch.ones_like(half))
    metric = 3 * metric
    assert loss(torch.ones_like(half)) == pytest.approx(9 * even, rel=1e-5)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prior is told about a view: expressions, captions, the hint of the shaped template."""

import dataclasses
from pathlib import Path

import pytest
import torch

from idto3d.assets import ASSETS, expression_names
from idto3d.guidance import Guide, chosen_expressions, draw_expressions, tone_words
from idto3d.prior.load import Prior, load_prior
from idto3d.prior.memory import MemoryPlan
from idto3d.prior.random_prior import write_random_prior
from idto3d.prior.score_distillation import DistillationSettings
from idto3d.render.cameras import Cameras, orbit
from idto3d.render.normals import camera_normals_image, supersampled
from idto3d.training.looks import TONE_WORDS, TONES
from tests.backend.head.shapes import icosphere

VOCABULARY = ASSETS / "expressions.json"
SETTINGS = DistillationSettings(3.0, "clean_residual")


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Prior:
    folder = tmp_path_factory.mktemp("prior")
    write_random_prior(folder, image_size=64)
    return load_prior(folder, "geometry")


@pytest.fixture
def guide(prior: Prior) -> Guide:
    vertices, faces = icosphere(2, radius=0.3)
    hint = torch.stack([vertices, vertices * torch.tensor([1.0, 1.3, 1.0])])
    identity = torch.randn(1, 128, generator=torch.Generator().manual_seed(0))
    return Guide(
        prior, identity, "young woman", "pale skin", ("neutral", "jaw_open"), hint, faces, vertices
    )


@pytest.fixture
def cameras() -> Cameras:
    return orbit(torch.tensor([0.0, 100.0]), 0.0)


def gradient_of(guide: Guide, cameras: Cameras, chosen: list[int]) -> torch.Tensor:
    """The distillation's gradient on pictures of the first hint, with a fixed seed."""
    images, _ = camera_normals_image(guide.hint[0], guide.hint_faces, cameras, guide.image_size)
    return guide.gradient(
        images,
        cameras,
        torch.tensor(chosen),
        torch.tensor([400, 400]),
        torch.Generator().manual_seed(1),
        SETTINGS,
    ).gradient


def test_neutral_comes_first_and_once() -> None:
    names = ("smile", "neutral", "jaw_open")
    found = chosen_expressions(names, VOCABULARY)
    assert [expression.name for expression in found] == ["neutral", "smile", "jaw_open"]
    assert found[0].arkit == {} and found[2].arkit["jawOpen"] > 0.5
    assert [e.name for e in chosen_expressions((), VOCABULARY)] == ["neutral"]
    everything = chosen_expressions(expression_names(), VOCABULARY)
    assert tuple(expression.name for expression in everything) == expression_names()


def test_draw_expressions() -> None:
    drawn = draw_expressions(4000, 5, 0.4, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=5) / 4000
    assert shares[0] == pytest.approx(0.4, abs=0.03)
    assert torch.allclose(shares[1:], torch.tensor(0.15), atol=0.03)
    alone = draw_expressions(7, 1, 0.4, torch.Generator())
    assert torch.equal(alone, torch.zeros(7, dtype=torch.int64))


def test_tone_words_are_those_of_the_training() -> None:
    for colour, word in zip(TONES, TONE_WORDS, strict=True):
        assert tone_words(tuple(colour)) == f"{word} skin"


def test_gradient_has_the_latents_shape_and_reaches_the_picture(
    guide: Guide, cameras: Cameras
) -> None:
    images = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(2))
    images.requires_grad_()
    distilled = guide.gradient(
        images,
        cameras,
        torch.tensor([0, 1]),
        torch.tensor([100, 600]),
        torch.Generator().manual_seed(1),
        SETTINGS,
    )
    distilled.loss.backward()
    assert distilled.gradient.shape == (2, 4, 8, 8)
    assert images.grad is not None and images.grad.abs().amax(dim=(1, 2, 3)).min() > 0


def test_small_pictures_give_latents_of_the_same_size(guide: Guide, cameras: Cameras) -> None:
    """And the linear encoder is the same each time, as a run that goes on needs it."""
    size = guide.coarse_size
    assert size < guide.image_size
    images, _ = camera_normals_image(guide.hint[0] * 1.1, guide.hint_faces, cameras, size)
    images.requires_grad_()
    again = dataclasses.replace(guide)
    assert torch.equal(again.linear_encoder.weight, guide.linear_encoder.weight)
    results = []
    for each in (guide, dataclasses.replace(guide, plan=MemoryPlan(micro_batch=1))):
        distilled = each.gradient(
            images,
            cameras,
            torch.tensor([0, 1]),
            torch.tensor([400, 400]),
            torch.Generator().manual_seed(1),
            SETTINGS,
            coarse=True,
        )
        results.append((distilled.gradient, *torch.autograd.grad(distilled.loss, images)))
    assert results[0][0].shape == (2, 4, 8, 8)
    assert results[0][1].abs().amax(dim=(1, 2, 3)).min() > 0
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_a_painted_hint_is_seen(
    guide: Guide, cameras: Cameras, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("painted")
    write_random_prior(folder, image_size=64, painted_hint=True)
    painted = dataclasses.replace(guide, prior=load_prior(folder, "geometry"))
    pictures = supersampled(
        guide.hint, guide.hint_faces, cameras, guide.image_size, guide.hint_colours
    )
    normals, colours = (painted.prior.encode(each.movedim(-1, 1)) for each in pictures)
    chosen = torch.tensor([0, 1])
    fine, coarse = (painted._hint_latents(cameras, chosen, small) for small in (False, True))
    torch.testing.assert_close(fine, torch.cat([normals, colours], dim=1))
    torch.testing.assert_close(coarse[:, 4:], colours)
    assert coarse.shape == fine.shape and not torch.allclose(coarse[:, :4], normals, atol=1e-3)
    white = dataclasses.replace(painted, hint_colours=torch.ones_like(guide.hint_colours))
    before, after = (gradient_of(each, cameras, [0, 1]) for each in (painted, white))
    assert not torch.allclose(before, after, atol=1e-4)
    # One that has none does not look.
    white = dataclasses.replace(guide, hint_colours=torch.ones_like(guide.hint_colours))
    assert torch.equal(gradient_of(white, cameras, [0, 1]), gradient_of(guide, cameras, [0, 1]))


def test_everything_told_counts(guide: Guide, cameras: Cameras) -> None:
    """Expression (by its name and by its hint), identity, person and traits all change it."""
    plain = gradient_of(guide, cameras, [0, 0])
    assert torch.equal(gradient_of(guide, cameras, [0, 0]), plain)
    mixed = gradient_of(guide, cameras, [0, 1])
    assert torch.equal(mixed[0], plain[0]) and not torch.allclose(mixed[1], plain[1], atol=1e-4)
    same_name = dataclasses.replace(guide, expressions=("neutral", "neutral"))
    same_hint = dataclasses.replace(guide, hint=guide.hint[:1].expand(2, -1, -1))
    other = torch.randn(1, 128, generator=torch.Generator().manual_seed(9))
    for changed in (same_name, same_hint):
        assert not torch.allclose(gradient_of(changed, cameras, [0, 1]), mixed, atol=1e-4)
    for changed in (
        dataclasses.replace(guide, identity=other),
        dataclasses.replace(guide, person="a face with a map"),
        dataclasses.replace(guide, traits="a wide face"),
    ):
        assert not torch.allclose(gradient_of(changed, cameras, [0, 0]), plain, atol=1e-5)


def test_prior_without_a_vocabulary_is_asked_without_expressions(
    tmp_path: Path, guide: Guide, cameras: Cameras
) -> None:
    """As a Stable Diffusion folder is that nobody has adapted yet."""
    write_random_prior(tmp_path, image_size=64, expressions={})
    bare = dataclasses.replace(guide, prior=load_prior(tmp_path, "geometry"))
    assert gradient_of(bare, cameras, [0, 1]).isfinite().all()


@pytest.mark.parametrize("plan", [MemoryPlan(micro_batch=1), MemoryPlan(split_branches=True)])
def test_less_memory_gives_the_same_gradient(
    guide: Guide, cameras: Cameras, plan: MemoryPlan
) -> None:
    """A picture at a time, or a branch at a time: value, gradient and draws stay as they are."""
    results = []
    for each in (guide, dataclasses.replace(guide, plan=plan)):
        images = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(2))
        images.requires_grad_()
        distilled = each.gradient(
            images * 1.0,
            cameras,
            torch.tensor([0, 1]),
            torch.tensor([100, 600]),
            torch.Generator().manual_seed(1),
            SETTINGS,
        )
        distilled.loss.backward()
        results.append((distilled.loss.detach(), distilled.gradient, distilled.clean, images.grad))
    for before, after in zip(*results, strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for a GPU's memory: pure functions of sizes, and sizes measured without weights or GPU."""

import dataclasses
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny

from idto3d.errors import UserError
from idto3d.prior.load import compile_blocks, load_prior
from idto3d.prior.manifest import TINY, read_manifest
from idto3d.prior.memory import (
    GIB,
    REST,
    MemoryPlan,
    Sizes,
    choose_plan,
    describe,
    leaner,
    needed,
    peak_bytes,
    plans,
    weight_bytes,
)
from idto3d.prior.random_prior import write_random_prior
from idto3d.prior.sizes import measure
from idto3d.prior.tiny_encoder import gradient_agreement

# Of the order of Stable Diffusion 1.5's at 512 pixels, in GiB.
SIZES = Sizes(
    denoiser=int(3.4 * GIB),
    encoder=int(0.13 * GIB),
    text=int(0.46 * GIB),
    call=int(0.5 * GIB),
    encoding=int(3.0 * GIB),
    encoding_checkpointed=int(1.2 * GIB),
    tiny=int(0.2 * GIB),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior")
    write_random_prior(path)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8)
    ).save_pretrained(path / TINY)
    return path


@pytest.mark.parametrize("views", [1, 4, 5])
def test_each_rung_needs_less(views: int) -> None:
    ladder = plans(views, has_tiny=True)
    needs = [needed(plan, SIZES, views) for plan in ladder]
    assert all(after < before for before, after in zip(needs, needs[1:], strict=False))
    assert ladder[0] == MemoryPlan() and ladder[-1].micro_batch == (None if views == 1 else 1)


def test_the_first_that_fits_is_taken() -> None:
    """Every limit between two rungs gives the lower one, and nothing fits below the last."""
    ladder = plans(4, has_tiny=True)
    for plan in ladder:
        limit = needed(plan, SIZES, 4)
        assert choose_plan(SIZES, 4, limit, MemoryPlan()) == plan
        assert choose_plan(SIZES, 4, limit + 1, MemoryPlan()) == plan
    with pytest.raises(UserError, match=r"needs .* GB .* even at its leanest.*larger --vram"):
        choose_plan(SIZES, 4, needed(ladder[-1], SIZES, 4) - 1, MemoryPlan())
    assert choose_plan(SIZES, 4, 80 * GIB, MemoryPlan(half=True)).half


def test_eight_gigabytes_hold_the_papers_settings() -> None:
    """One view a step. The sum is a plan's; only a GPU can say what is really taken."""
    plan = choose_plan(SIZES, 1, 8 * GIB, MemoryPlan(half=True))
    assert plan == MemoryPlan(half=True)
    four = choose_plan(SIZES, 4, 8 * GIB, MemoryPlan(half=True))
    assert four.micro_batch is not None and needed(four, SIZES, 4) <= 8 * GIB


def test_sum_by_hand() -> None:
    sizes = Sizes(1000, 100, 10, 50, 400, 200)
    assert needed(MemoryPlan(), sizes, 2) - REST == 1000 + 100 + 10 + 4 * 50 + 2 * 400
    lean = MemoryPlan(True, True, 1, True, True)
    assert needed(lean, sizes, 2) - REST == (1000 + 100 + 50 + 200) // 2


def test_leaner_goes_down_to_the_end() -> None:
    plan: MemoryPlan | None = MemoryPlan(half=True)
    seen = []
    while plan is not None:
        seen.append(plan)
        plan = leaner(plan, 2, has_tiny=False)
    assert seen == plans(2, has_tiny=False)[1:]
    assert "1 pictures at a time" in describe(seen[-1]) and "two calls" in describe(seen[-1])


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_live_bytes_are_counted(device: str) -> None:
    start = torch.zeros(1000, device=device)
    assert peak_bytes(lambda: ((start + 1) + 2) + 3) == 8000  # never more than two at a time
    assert peak_bytes(lambda: [start + step for step in range(5)]) == 20000
    assert peak_bytes(lambda: start.view(10, 100).t()) == 0  # views hold nothing of their own
    weights = start.clone().requires_grad_()
    assert peak_bytes(lambda: weights.exp().exp().exp().sum()) >= 12000  # kept for the gradient


def test_attention_counts_as_fused() -> None:
    query = torch.zeros(1, 8, 4096, 40, device="meta")
    attend = torch.nn.functional.scaled_dot_product_attention
    with torch.no_grad():
        assert peak_bytes(lambda: attend(query, query, query)) < 3 * 4 * query.numel()


def test_sizes_are_those_of_the_loaded_prior(folder: Path) -> None:
    sizes = measure(folder, read_manifest(folder))
    prior = load_prior(folder, "photo")
    extra = sum(
        4 * tensor.numel()
        for name, tensor in prior.unet.named_parameters()
        if ".processor." in name
    )
    assert sizes.denoiser == weight_bytes(prior.unet) - extra
    assert sizes.encoder == weight_bytes(prior.autoencoder.encoder)
    assert sizes.text == weight_bytes(prior.text_encoder)
    assert sizes.tiny is not None and sizes.tiny > 0
    # The same counting on real tensors finds the same activations.
    pixels = torch.zeros(1, 3, 64, 64, requires_grad=True)

    def encode() -> None:
        latents = prior.autoencoder.encode(pixels).latent_dist.mean
        torch.autograd.grad(latents.sum(), pixels)

    assert peak_bytes(encode) == pytest.approx(sizes.encoding, rel=0.1)
    assert sizes.encoding_checkpointed < sizes.encoding


def test_plan_changes_no_numbers(folder: Path) -> None:
    """Texts on the CPU, checkpoints, no decoder: the same latents and gradients."""
    plain = load_prior(folder, "geometry")
    lean = load_prior(folder, "geometry", plan=MemoryPlan(text_on_cpu=True, checkpointing=True))
    assert lean.autoencoder.decoder is None
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 64, 64, generator=generator)
    results = []
    for prior in (plain, lean):
        pixels = images.clone().requires_grad_()
        latents = prior.encode(pixels)
        (gradient,) = torch.autograd.grad(latents.square().sum(), pixels)
        condition = prior.condition(["front view"] * 2, None, ["smile"] * 2)
        hint = torch.zeros_like(latents)
        with torch.no_grad():
            noise = prior.denoise(latents, torch.tensor([300, 600]), condition, hint)
        results.append((latents.detach(), gradient, noise))
    for before, after in zip(*results, strict=True):
        torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_small_encoder_takes_the_place(folder: Path) -> None:
    prior = load_prior(folder, "geometry", plan=MemoryPlan(tiny_encoder=True))
    full = load_prior(folder, "geometry")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    latents = prior.encode(images)
    assert latents.shape == full.encode(images).shape
    target = torch.zeros_like(latents)
    assert gradient_agreement(full.encode, full.encode, images, target) == pytest.approx(1.0)
    assert abs(gradient_agreement(prior.encode, full.encode, images, target)) < 0.5  # both random


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_near(folder: Path, dtype: torch.dtype) -> None:
    outputs = []
    for prior in (load_prior(folder, "geometry"), load_prior(folder, "geometry", dtype=dtype)):
        generator = torch.Generator().manual_seed(0)
        latents, hint = torch.randn(2, 1, 4, 8, 8, generator=generator)
        embeddings = torch.randn(3, 128, generator=generator)
        condition = prior.condition(["front view"], embeddings, ["smile"])
        with torch.no_grad():
            outputs.append(prior.denoise(latents, torch.tensor([500]), condition, hint))
    assert outputs[1].dtype == torch.float32
    error = (outputs[1] - outputs[0]).norm() / outputs[0].norm()
    assert 0 < error < 0.03


def test_compiled_blocks_agree(folder: Path) -> None:
    """Traced as for compilation; the code that a compiler would make is left out here."""
    outputs = []
    for compiled in (False, True):
        prior = load_prior(folder, "geometry")
        if compiled:
            compile_blocks(prior, backend="eager")
        generator = torch.Generator().manual_seed(0)
        latents, hint = torch.randn(2, 1, 4, 8, 8, generator=generator)
        condition = prior.condition(["front view"], None, ["smile"])
        with torch.no_grad():
            outputs.append(prior.denoise(latents, torch.tensor([500]), condition, hint))
    torch.testing.assert_close(outputs[1], outputs[0], atol=1e-5, rtol=1e-4)


def test_denoiser_lies_channels_last(folder: Path) -> None:
    weight = load_prior(folder, "photo").unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_plans_are_values() -> None:
    assert dataclasses.replace(MemoryPlan(), half=True) == MemoryPlan(half=True)

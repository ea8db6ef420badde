# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint in one file, taken apart, is the same three networks."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from idto3d.errors import UserError
from idto3d.prior.checkpoint_file import Family, split_checkpoint
from tests.backend.prior.tiny_stable_diffusion import (
    TINY,
    WIDTH,
    original_names,
    tiny_autoencoder,
    tiny_text_encoder,
    tiny_unet,
)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return original_names(tiny_unet(), tiny_autoencoder(), tiny_text_encoder())


@torch.no_grad()
def test_the_networks_are_the_same(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "model.safetensors")
    split_checkpoint(tmp_path / "model.safetensors", tmp_path, TINY)
    options = {"local_files_only": True}
    unet = UNet2DConditionModel.from_pretrained(tmp_path / "unet", **options)
    latents, text = torch.randn(1, 4, 8, 8), torch.randn(1, 5, WIDTH)
    torch.testing.assert_close(
        unet(latents, 500, text).sample, tiny_unet()(latents, 500, text).sample
    )
    autoencoder = AutoencoderKL.from_pretrained(tmp_path / "vae", **options)
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(autoencoder(image).sample, tiny_autoencoder()(image).sample)
    assert autoencoder.config.scaling_factor == 0.25
    encoder = CLIPTextModel.from_pretrained(tmp_path / "text_encoder", **options)
    words = torch.tensor([[0, 7, 9, 1]])
    torch.testing.assert_close(
        encoder(words).last_hidden_state, tiny_text_encoder()(words).last_hidden_state
    )
    scheduler = DDPMScheduler.from_pretrained(tmp_path / "scheduler", **options)
    assert scheduler.config.prediction_type == "epsilon"
    assert abs(float(scheduler.alphas_cumprod[-1]) - 0.00466) < 1e-4  # published value


def test_numbers_stay_as_they_are_stored(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    # Half precision in the UNet only, weights averaged over training beside the others.
    mixed = {n: v.half() if n.startswith("model.") else v for n, v in state.items()}
    mixed["model_ema.decay"] = torch.ones(())
    save_file(mixed, tmp_path / "model.safetensors")
    split_checkpoint(tmp_path / "model.safetensors", tmp_path, TINY)
    kinds = {
        part: {v.dtype for v in load_file(next((tmp_path / part).glob("*.safetensors"))).values()}
        for part in ("unet", "vae")
    }
    assert kinds == {"unet": {torch.float16}, "vae": {torch.float32}}


def test_a_file_without_autoencoder(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    rest = {name: v for name, v in state.items() if not name.startswith("first_stage_model.")}
    save_file(rest, tmp_path / "model.safetensors")
    split_checkpoint(tmp_path / "model.safetensors", tmp_path, TINY)
    assert (tmp_path / "unet").is_dir() and not (tmp_path / "vae").exists()


def test_checkpoints_of_other_kinds(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    with pytest.raises(UserError, match="not of the Stable-Diffusion-1.5 family"):
        split_checkpoint(path, tmp_path / "out", Family())
    first = "model.diffusion_model.input_blocks.0.0.weight"
    inpainting = state | {first: torch.zeros(16, 9, 3, 3)}
    save_file(inpainting, path)
    with pytest.raises(UserError, match="conv_in.weight is missing or of another.*inpainting"):
        split_checkpoint(path, tmp_path / "out", TINY)
    save_file({name: v for name, v in state.items() if name != first}, path)
    with pytest.raises(UserError, match="conv_in.weight is missing"):
        split_checkpoint(path, tmp_path / "out", TINY)
    save_file({"weights": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="no complete Stable Diffusion 1.5 checkpoint"):
        split_checkpoint(path, tmp_path / "out", TINY)


def test_the_family_is_stable_diffusion_1_5() -> None:
    family = Family()
    with torch.device("meta"):
        unet = UNet2DConditionModel(**family.unet)
        autoencoder = AutoencoderKL(**family.autoencoder)
    # The published sizes of its networks.
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    assert sum(p.numel() for p in autoencoder.parameters()) == 83_653_863

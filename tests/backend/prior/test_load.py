# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening prior folders: what comes out, and what is said when a folder is not whole."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from idto3d.errors import UserError
from idto3d.prior.load import Prior, load_prior
from idto3d.prior.random_prior import write_random_prior


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior")
    write_random_prior(path)
    return path


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "broken"))


def _denoise(prior: Prior, identity: float = 1.0, expression: str = "smile") -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents, hint = torch.randn(2, 1, 4, 8, 8, generator=generator)
    embeddings = identity * torch.randn(3, 128, generator=generator)
    condition = prior.condition(["front view face"], embeddings, [expression])
    with torch.no_grad():
        return prior.denoise(latents, torch.tensor([500]), condition, hint)


def test_every_condition_changes_the_prediction(folder: Path) -> None:
    prior = load_prior(folder, "geometry")
    plain = _denoise(prior)
    assert plain.shape == (1, 4, 8, 8)
    assert not torch.allclose(plain, _denoise(prior, identity=-1.0), atol=1e-4)
    assert not torch.allclose(plain, _denoise(prior, expression="jaw_open"), atol=1e-4)
    assert not torch.allclose(plain, _denoise(load_prior(folder, "albedo")), atol=1e-4)


def test_folded_and_active_adapters_agree(folder: Path) -> None:
    folded, active = (load_prior(folder, "geometry", fold=fold) for fold in (True, False))
    assert any(".lora_" in name for name, _ in active.unet.named_parameters())
    assert not any(".lora_" in name for name, _ in folded.unet.named_parameters())
    torch.testing.assert_close(_denoise(folded), _denoise(active), atol=1e-5, rtol=1e-4)


def test_encode_is_differentiable_and_scaled(folder: Path) -> None:
    prior = load_prior(folder, "geometry")
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    latents = prior.encode(image)
    assert latents.shape == (1, 4, 8, 8)
    (gradient,) = torch.autograd.grad(latents.square().sum(), image)
    assert gradient.abs().sum() > 0
    assert prior.decode(latents).shape == image.shape
    prior.autoencoder.register_to_config(scaling_factor=2 * 0.18215)
    torch.testing.assert_close(prior.encode(image), 2 * latents)


def test_predictions_of_all_kinds_mean_the_same_noise(folder: Path) -> None:
    schedule = load_prior(folder, "photo").schedule
    clean, noise = torch.randn(2, 3, 4, 8, 8)
    timesteps = torch.tensor([20, 500, 980])
    alpha, sigma = schedule.at(timesteps, clean)
    noisy = schedule.add_noise(clean, noise, timesteps)
    outputs = {"epsilon": noise, "sample": clean, "v_prediction": alpha * noise - sigma * clean}
    for kind, output in outputs.items():
        found = schedule.noise_from_output(output, noisy, timesteps, kind)
        torch.testing.assert_close(found, noise, atol=2e-4, rtol=1e-3)


def test_stable_diffusion_folder_without_our_files(broken: Path) -> None:
    shutil.rmtree(broken)
    write_random_prior(broken, spatial_hint=False)
    for name in ("prior.json", "conditioning.safetensors"):
        (broken / name).unlink()
    (broken / "model_index.json").write_text("{}")
    prior = load_prior(broken, "photo")
    assert prior.manifest.identity_encoder == "insightface"
    latents = torch.randn(1, 4, 8, 8)
    condition = prior.condition(["front view face"], torch.randn(1, 512))
    assert condition.identity is None
    noise = prior.denoise(latents, torch.tensor([500]), condition)
    assert noise.shape == latents.shape


def test_missing_file_is_named(broken: Path) -> None:
    (broken / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UserError, match=r"unet/diffusion_pytorch_model.safetensors is missing\. R"):
        load_prior(broken, "geometry")


def test_changed_byte_is_noticed(broken: Path) -> None:
    path = broken / "adapters" / "geometry.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    load_prior(broken, "albedo")  # does not read that file
    with pytest.raises(UserError, match="geometry.safetensors is damaged"):
        load_prior(broken, "geometry")


@pytest.mark.parametrize(
    "name", ["conditioning.safetensors", "vae/config.json", "adapters/geometry.safetensors"]
)
def test_truncated_file_without_a_digest(broken: Path, name: str) -> None:
    manifest = json.loads((broken / "prior.json").read_text())
    del manifest["files"][name]
    (broken / "prior.json").write_text(json.dumps(manifest))
    path = broken / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="can't be read"):
        load_prior(broken, "geometry")


def test_damaged_manifest(broken: Path) -> None:
    (broken / "prior.json").write_text('{"version": 1')
    with pytest.raises(UserError, match=r"prior\.json is damaged"):
        load_prior(broken, "geometry")


def test_no_prior_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no prior.json"):
        load_prior(tmp_path, "geometry")
    with pytest.raises(UserError, match="There is no prior folder"):
        load_prior(tmp_path / "nowhere", "geometry")


def test_unknown_expression_names_the_nearest(folder: Path) -> None:
    with pytest.raises(UserError, match="smlie.*The nearest are: smile"):
        load_prior(folder, "geometry").condition(["face"], None, ["smlie"])

# SPDX-License-Identifier: GPL-3.0-or-later
"""A base, an IP-Adapter and our adapters become one prior folder, without a network."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from idto3d.errors import UserError
from idto3d.prior.assemble import Ingredients, assemble
from idto3d.prior.denoiser import call_unet
from idto3d.prior.load import load_prior
from idto3d.prior.manifest import check_files, read_manifest
from idto3d.prior.random_prior import write_random_prior
from tests.backend.no_network import cut_network
from tests.backend.prior.tiny_stable_diffusion import (
    FACE,
    TINY,
    in_diffusers,
    ip_adapter_state,
    original_names,
    tiny_autoencoder,
    tiny_text_encoder,
    tiny_unet,
)

OURS = ("prior.json", "conditioning.safetensors", "adapters")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_network(monkeypatch)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base/ as diffusers writes it, trained/ with our adapters for it, portrait.bin, model.*"""
    store = tmp_path_factory.mktemp("store")
    write_random_prior(
        store / "trained",
        spatial_hint=False,
        identity_dimension=FACE,
        identity_encoder="insightface",
    )
    manifest = json.loads((store / "trained" / "prior.json").read_text())
    manifest["identity_reading"] = "each"
    (store / "trained" / "prior.json").write_text(json.dumps(manifest))
    shutil.copytree(store / "trained", store / "base", ignore=shutil.ignore_patterns(*OURS))
    (store / "base" / "model_index.json").write_text("{}")
    unet = UNet2DConditionModel.from_pretrained(store / "base" / "unet", local_files_only=True)
    torch.save(ip_adapter_state(unet, tokens=16), store / "portrait.bin")
    torch.save(ip_adapter_state(unet, tokens=4, lora_rank=3), store / "faceid.bin")
    state = original_names(tiny_unet(), tiny_autoencoder(), tiny_text_encoder())
    save_file(state, store / "model.safetensors")
    return store


@torch.no_grad()
@pytest.mark.parametrize("name", ["portrait", "faceid"])
def test_the_assembled_prior_is_diffusers_ip_adapter(
    name: str, store: Path, tmp_path: Path
) -> None:
    output = tmp_path / "prior"
    assemble(Ingredients(store / "base", store / f"{name}.bin"), output)
    prior = load_prior(output, "photo")
    faces = torch.nn.functional.normalize(torch.randn(prior.manifest.identity_photos, FACE), dim=-1)
    latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([400, 900])
    condition = prior.condition(["a front view face", "a back view"], faces)
    unet = UNet2DConditionModel.from_pretrained(store / "base" / "unet", local_files_only=True)
    state = torch.load(store / f"{name}.bin", weights_only=True)
    expected = in_diffusers(unet.eval(), state)(
        latents,
        timesteps,
        encoder_hidden_states=condition.text,
        added_cond_kwargs={"image_embeds": [faces.expand(2, -1, -1)]},
    ).sample
    found = call_unet(prior.unet, latents, timesteps, condition, None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    nobody = prior.unconditional(2).identity
    assert nobody is not None and nobody.abs().min() > 0


@torch.no_grad()
def test_our_adapters_on_top(store: Path, tmp_path: Path) -> None:
    output = tmp_path / "prior"
    given = Ingredients(store / "base", store / "portrait.bin", store / "trained")
    manifest = assemble(given, output)
    assert manifest == read_manifest(output)
    check_files(output, manifest, ("",))
    assert manifest.identity_encoder == "insightface" and manifest.identity_reading == "each"
    assert manifest.expressions == ("neutral", "smile", "jaw_open")
    assert "non-commercial" in manifest.licence
    origins = manifest.training["assembled_from"]
    assert origins["ip_adapter"]["name"] == "portrait.bin" and len(origins) == 3
    latents, steps = torch.randn(1, 4, 8, 8), torch.tensor([500])
    faces = torch.randn(3, FACE)
    outputs = []
    for domain, expression in (("photo", None), ("geometry", "smile"), ("geometry", "jaw_open")):
        prior = load_prior(output, domain)
        names = None if expression is None else [expression]
        condition = prior.condition(["a face"], faces, names)
        outputs.append(prior.denoise(latents, steps, condition))
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert (outputs[1] - outputs[2]).abs().max() > 1e-3


def test_from_one_checkpoint_with_a_tokenizer(store: Path, tmp_path: Path) -> None:
    checkpoint = store / "model.safetensors"
    with pytest.raises(UserError, match="holds no tokenizer.*prior download clip-tokenizer"):
        assemble(Ingredients(checkpoint), tmp_path / "prior", TINY)
    given = Ingredients(checkpoint, tokenizer=store / "base" / "tokenizer")
    manifest = assemble(given, tmp_path / "prior", TINY)
    assert manifest.image_size == 64 and manifest.name == "prior"
    prior = load_prior(tmp_path / "prior", "photo")
    assert prior.condition(["a face"]).text.shape == (1, 16, 16)
    assert prior.autoencoder.config.scaling_factor == 0.25


def test_another_autoencoder(store: Path, tmp_path: Path) -> None:
    state = load_file(store / "model.safetensors")
    rest = {name: v for name, v in state.items() if not name.startswith("first_stage_model.")}
    save_file(rest, tmp_path / "no_vae.safetensors")
    given = Ingredients(tmp_path / "no_vae.safetensors", tokenizer=store / "base" / "tokenizer")
    with pytest.raises(UserError, match="holds no vae.*--vae"):
        assemble(given, tmp_path / "prior", TINY)
    given = Ingredients(given.base, tokenizer=given.tokenizer, autoencoder=store / "base" / "vae")
    assemble(given, tmp_path / "prior", TINY)
    assert load_prior(tmp_path / "prior", "photo").autoencoder.config.scaling_factor == 0.18215


def test_a_base_takes_its_room_once(store: Path, tmp_path: Path) -> None:
    assemble(Ingredients(store / "base"), tmp_path / "prior")
    name = "unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "prior" / name).samefile(store / "base" / name)


def test_weights_in_half_precision_or_as_bin(store: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(store / "base", tmp_path / "base"))
    unet, text = base / "unet", base / "text_encoder"
    weights = unet / "diffusion_pytorch_model.safetensors"
    weights.rename(unet / "diffusion_pytorch_model.fp16.safetensors")
    torch.save(load_file(text / "model.safetensors"), text / "pytorch_model.bin")
    (text / "model.safetensors").unlink()
    assemble(Ingredients(base), tmp_path / "prior")
    for name in ("unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"):
        one, other = load_file(tmp_path / "prior" / name), load_file(store / "base" / name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def _change(path: Path, **values: object) -> None:
    path.unlink() if not values else path.write_text(
        json.dumps(json.loads(path.read_text()) | values)
    )


def test_what_does_not_fit_is_said_and_leaves_nothing(store: Path, tmp_path: Path) -> None:
    output = tmp_path / "prior"

    def refused(given: Ingredients, sentence: str) -> None:
        with pytest.raises(UserError, match=sentence):
            assemble(given, output)
        assert not list(tmp_path.glob("*prior*"))

    base = store / "base"
    refused(Ingredients(tmp_path / "nowhere"), "There is no base")
    refused(Ingredients(store / "portrait.bin"), "no .safetensors file")
    refused(Ingredients(base, tokenizer=tmp_path / "nowhere"), "no folder .* for the tokenizer")
    refused(Ingredients(base, adapters=base), "has no adapters")
    # Those adapters read a portrait's identity; without one there are other numbers to read.
    refused(Ingredients(base, adapters=store / "trained"), "trained for another identity")
    other = tmp_path / "other.bin"
    torch.save(ip_adapter_state(tiny_unet(), tokens=16), other)
    state = torch.load(other, weights_only=True)
    state["ip_adapter"] = {n: v[:, :8] for n, v in state["ip_adapter"].items()}
    torch.save(state, other)
    refused(Ingredients(base, other), "made for another base")
    broken = Path(shutil.copytree(base, tmp_path / "broken"))
    _change(broken / "unet" / "config.json", in_channels=9)
    refused(Ingredients(broken), "inpainting")
    _change(broken / "unet" / "diffusion_pytorch_model.safetensors")
    refused(Ingredients(broken), "holds no weights")
    (broken / "text_encoder_2").mkdir()
    refused(Ingredients(broken), "another family")
    output.mkdir()
    with pytest.raises(UserError, match="already there"):
        assemble(Ingredients(base), output)

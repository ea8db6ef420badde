# SPDX-License-Identifier: GPL-3.0-or-later
"""All stages on toy data, through the command line's functions, small but whole."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from idto3d.errors import UserError
from idto3d.prior.condition import Condition
from idto3d.prior.denoiser import call_unet
from idto3d.prior.load import load_prior
from idto3d.prior.manifest import read_manifest
from idto3d.prior.patch_autoencoder import Autoencoder
from idto3d.prior.random_prior import write_random_prior
from idto3d.training import cli
from idto3d.training.adapters import train_adapter
from idto3d.training.autoencoder import train_autoencoder
from idto3d.training.base import encoder_digest, make_denoiser, open_autoencoder, train_base
from idto3d.training.settings import (
    AutoencoderSettings,
    DenoiserSettings,
    RunSettings,
    TextSettings,
    TrainingSettings,
)
from idto3d.training.shards import Dataset, open_dataset
from idto3d.training.text import known_words, make_tokenizer
from idto3d.training.warm_start import start_from
from tests.backend.training.toy_dataset import EXPRESSIONS, write_toy_dataset

TEXTS = {name: f"a {name} face" for name in EXPRESSIONS}


def tiny_settings(samples: int, image_size: int = 32) -> TrainingSettings:
    """Networks of a few thousand weights."""
    return TrainingSettings(
        run=RunSettings(samples=samples, batch_size=4, warmup_steps=5, learning_rate=3e-3),
        autoencoder=AutoencoderSettings(
            image_size=image_size,
            channels=(16, 32),
            latent_channels=4,
            crop_size=16,
        ),
        text=TextSettings(width=16, layers=1, heads=2, length=24),
        denoiser=DenoiserSettings(
            channels=(16, 16), heads=(2, 2), group_norm_groups=4, identity_hidden=16
        ),
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(write_toy_dataset(tmp_path_factory.mktemp("data"), size=32))


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prior folder that went through every stage."""
    output = tmp_path_factory.mktemp("prior")
    train_autoencoder(dataset, output, tiny_settings(400), resume=False)
    train_base(dataset, output, tiny_settings(60), False, TEXTS)
    for domain in ("geometry", "albedo"):
        train_adapter(dataset, output, tiny_settings(40), False, domain, "both", TEXTS)
    return output


def _records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_result_is_a_whole_prior(trained: Path) -> None:
    manifest = json.loads((trained / "prior.json").read_text())
    assert sorted(manifest["adapters"]) == ["albedo", "geometry"]
    assert set(manifest["training"]) == {
        "base",
        "geometry-style",
        "geometry-expression",
        "albedo-style",
        "albedo-expression",
    }
    assert "adapters/albedo.safetensors" in manifest["files"]
    prior = load_prior(trained, "geometry")
    condition = prior.condition(["a front view"], torch.randn(2, 128), ["smile"])
    latents = prior.encode(torch.rand(1, 3, 32, 32))
    hint = torch.cat([latents, latents], dim=1)
    assert prior.denoise(latents, torch.tensor([400]), condition, hint).isfinite().all()


def test_base_starts_from_a_finished_prior(trained: Path, dataset: Dataset, tmp_path: Path) -> None:
    prior, output = load_prior(trained, "photo"), tmp_path / "prior"
    deeper = dataclasses.replace(tiny_settings(4).denoiser, first_layers=4)
    settings = dataclasses.replace(tiny_settings(4), denoiser=deeper)
    tokenizer = make_tokenizer(["earrings"], 24, known_words(prior.tokenizer))
    autoencoder = open_autoencoder(trained)
    denoiser = make_denoiser(settings, tokenizer, autoencoder, dataset.identities())
    start_from(trained, denoiser)
    ids = tokenizer(["a front view"], padding="max_length", return_tensors="pt").input_ids
    assert denoiser.text_encoder.config.vocab_size == prior.text_encoder.config.vocab_size + 1
    text = denoiser.text_encoder(ids).last_hidden_state
    torch.testing.assert_close(text, prior.text_encoder(ids).last_hidden_state)
    person = torch.randn(2, 128)
    identity = denoiser.projector.person(person)
    torch.testing.assert_close(identity, prior.projector.person(person))
    latents, hint = torch.randn(1, 4, 4, 4), torch.randn(1, 8, 4, 4)
    outputs = [
        call_unet(unet, latents, torch.tensor([300]), Condition(text, identity), hint)
        for unet in (denoiser.unet, prior.unet)
    ]
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)

    counters = train_base(dataset, output, settings, False, TEXTS, start=trained)
    assert counters.samples == 4
    assert (output / "vae" / "config.json").is_file()
    assert load_prior(output, "photo").unet.config.layers_per_block == [4, 1]
    again = dataclasses.replace(settings, run=tiny_settings(8).run)
    train_base(dataset, output, again, True, TEXTS)
    told = read_manifest(output).training
    assert told["base"]["samples"] == 8
    assert told["before"] == read_manifest(trained).training


def test_start_that_does_not_fit_is_explained(
    trained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    wider = dataclasses.replace(tiny_settings(4).denoiser, channels=(16, 32))
    settings = dataclasses.replace(tiny_settings(4), denoiser=wider)
    with pytest.raises(UserError, match="does not fit the network"):
        train_base(dataset, tmp_path / "prior", settings, False, TEXTS, start=trained)
    with pytest.raises(UserError, match="prior"):
        train_base(dataset, tmp_path / "other", settings, False, TEXTS, start=tmp_path / "none")


def test_autoencoder_learns(trained: Path) -> None:
    prior = load_prior(trained, "photo")
    with np.load(sorted((trained / "training" / "latents").glob("*/*.npz"))[0]) as cached:
        deviation = float(cached["photo"].astype(np.float32).std())
    assert 0.5 < deviation < 2  # the scale makes latents about one unit wide
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    decoded = prior.decode(prior.encode(ramp))
    inner = torch.stack([ramp[..., 4:-4].flatten(), decoded[..., 4:-4].flatten()])
    assert torch.corrcoef(inner)[0, 1] > 0.5


def test_decoder_is_trained_alone(trained: Path, dataset: Dataset, tmp_path: Path) -> None:
    output = tmp_path / "prior"
    shutil.copytree(trained / "vae", output / "vae")
    before = open_autoencoder(output)
    with np.load(dataset.shards()[0]) as shard:
        images = torch.from_numpy(shard["normal"][:16]).permute(0, 3, 1, 2).float() / 255 * 2 - 1

    @torch.no_grad()
    def latents(autoencoder: Autoencoder) -> torch.Tensor:
        return autoencoder.encode(images).latent_dist.mean

    @torch.no_grad()
    def error(autoencoder: Autoencoder) -> float:
        return float((autoencoder.decode(latents(autoencoder)).sample - images).abs().mean())

    train_autoencoder(dataset, output, tiny_settings(400), resume=False, stage="decoder")
    after = open_autoencoder(output)
    assert encoder_digest(after) == encoder_digest(before)
    assert str(tmp_path) not in (output / "vae" / "config.json").read_text()
    assert after.config.scaling_factor == before.config.scaling_factor
    assert torch.equal(
        after.encode(images).latent_dist.mean, before.encode(images).latent_dist.mean
    )
    assert error(after) < 0.95 * error(before)
    with pytest.raises(UserError, match="holds a training state"):
        train_autoencoder(dataset, output, tiny_settings(400), resume=False, stage="decoder")


def test_decoder_without_autoencoder_is_explained(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Run `idto3d train autoencoder` first"):
        train_autoencoder(dataset, tmp_path, tiny_settings(4), resume=False, stage="decoder")


def test_adapter_phases_train_what_they_should(trained: Path) -> None:
    style = load_file_keys(trained / "training" / "geometry-style")
    expression = load_file_keys(trained / "training" / "geometry-expression")
    assert {key.split(".")[-2] for key in style} == {"default", "identity"}
    assert {key.split(".")[-2] for key in expression} == {"default", "expression"}
    final = load_prior(trained, "geometry").unet.state_dict()
    base = load_prior(trained, "photo").unet.state_dict()
    moved = [name for name in base if not torch.equal(base[name], final[name])]
    assert moved
    assert all(".attn" in name for name in moved)
    assert all("expression" in name for name in set(final) - set(base))


def load_file_keys(folder: Path) -> list[str]:
    """Names of the parameters in a training state."""
    from safetensors import safe_open

    index = json.loads((folder / "state.json").read_text())
    with safe_open(folder / index["file"], framework="pt") as file:
        names = list(file.keys())
    return [name.removeprefix("parameter/") for name in names if name.startswith("parameter/")]


def test_sheets_show_held_out_people(trained: Path) -> None:
    sheets = sorted((trained / "training" / "base").glob("sheet-*.png"))
    # Three kinds, each hint, sample and truth; 32 pixels a picture.
    assert Image.open(sheets[-1]).height == 9 * 32
    records = [r["held_out"] for r in _records(trained / "training" / "base") if "held_out" in r]
    assert records[-1]["photo"]["t900"] > 0


def test_resume_goes_on_and_a_second_start_is_refused(trained: Path, dataset: Dataset) -> None:
    with pytest.raises(UserError, match="Add --resume"):
        train_base(dataset, trained, tiny_settings(64), False, TEXTS)
    counters = train_base(dataset, trained, tiny_settings(72), True, TEXTS)
    assert counters.samples == 72


def test_stopped_and_resumed_base_equals_one_run(
    dataset: Dataset, trained: Path, tmp_path: Path
) -> None:
    """The batches, the noise and the optimiser go on where they were."""
    results = []
    for name, budgets in (("straight", (16,)), ("stopped", (8, 16))):
        output = tmp_path / name
        output.mkdir()
        (output / "vae").symlink_to(trained / "vae")
        for index, samples in enumerate(budgets):
            settings = tiny_settings(samples)
            run = dataclasses.replace(settings.run, final_learning_rate=1.0)
            own = dataclasses.replace(settings, run=run)
            train_base(dataset, output, own, index > 0, TEXTS)
        results.append(load_prior(output, "photo").unet.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], atol=1e-3, rtol=1e-3)


def test_base_goes_on_with_new_words(dataset: Dataset, trained: Path, tmp_path: Path) -> None:
    """Words of new captions join the vocabulary; old ones keep their numbers and their rows."""
    output = tmp_path / "prior"
    output.mkdir()
    (output / "vae").symlink_to(trained / "vae")
    train_base(dataset, output, tiny_settings(8), False, TEXTS)
    before = load_prior(output, "photo")
    texts = TEXTS | {"smile": "a smiling face with glasses"}
    # Nothing more to train: what is read is what is written.
    train_base(dataset, output, tiny_settings(8), True, texts)
    after = load_prior(output, "photo")
    old, new = before.tokenizer.get_vocab(), after.tokenizer.get_vocab()
    assert {*new} - {*old} == {"glasses", "smiling", "with"}
    assert all(new[word] == number for word, number in old.items())
    rows = [each.text_encoder.get_input_embeddings().weight for each in (before, after)]
    assert len(rows[1]) == len(rows[0]) + 3
    torch.testing.assert_close(rows[1][: len(rows[0])], rows[0])


def test_adapter_on_a_stable_diffusion_layout(dataset: Dataset, tmp_path: Path) -> None:
    """No hint, no identity conditioning: both come with the adapter."""
    big = open_dataset(write_toy_dataset(tmp_path / "data", size=64, people=3, shards=1))
    output = tmp_path / "sd"
    write_random_prior(output, spatial_hint=False)
    for name in ("prior.json", "conditioning.safetensors"):
        (output / name).unlink()
    (output / "model_index.json").write_text("{}")
    train_adapter(big, output, tiny_settings(24, 64), False, "geometry", "both", TEXTS)
    prior = load_prior(output, "geometry")
    assert prior.projector is not None
    condition = prior.condition(["a front view"], torch.randn(1, 128), ["smile"])
    assert prior.denoise(torch.randn(1, 4, 8, 8), torch.tensor([400]), condition).isfinite().all()


def test_full_fine_tuning_is_for_comparison_only(trained: Path, dataset: Dataset) -> None:
    """It trains every weight of the UNet and leaves the prior as it is."""
    files = [path for path in trained.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files if "latents" not in path.parts}
    train_adapter(dataset, trained, tiny_settings(16), False, "albedo", "full", TEXTS)
    assert all(path.read_bytes() == content for path, content in before.items())
    folder = trained / "training" / "albedo-full"
    assert json.loads((folder / "state.json").read_text())["samples"] == 16
    with safe_open(next(folder.glob("state-*.safetensors")), "pt") as state:
        saved = {name for name in state.keys() if name.startswith("parameter/")}  # noqa: SIM118
    weights = load_prior(trained, "photo").unet.named_parameters()
    assert saved == {f"parameter/unet.{name}" for name, _ in weights}
    assert list(folder.glob("sheet-*.png"))


def test_expression_phase_needs_the_style_phase(trained: Path, dataset: Dataset) -> None:
    style = trained / "training" / "albedo-style" / "adapter.safetensors"
    moved = style.rename(style.with_suffix(".away"))
    try:
        settings = tiny_settings(30)
        with pytest.raises(UserError, match="Train the style phase first"):
            train_adapter(dataset, trained, settings, True, "albedo", "expression", TEXTS)
    finally:
        moved.rename(style)


def test_command_line_reaches_the_settings(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser.add_subparsers(dest="command"))
    words = f"train base --data {tmp_path} --output {tmp_path} --minutes 3 --batch-size 7"
    settings = cli.settings_from(parser.parse_args(words.split()))
    assert (settings.run.minutes, settings.run.batch_size) == (3, 7)
    assert settings.run.learning_rate == RunSettings().learning_rate
    unlimited = parser.parse_args(f"train base --data {tmp_path} --output {tmp_path}".split())
    with pytest.raises(UserError, match="Give --minutes or --samples"):
        cli.settings_from(unlimited)


def test_base_without_autoencoder_is_explained(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Run `idto3d train autoencoder` first"):
        train_base(dataset, tmp_path, tiny_settings(10), False, TEXTS)

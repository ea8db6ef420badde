# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads: shown, asked, resumed, verified, and none without a word. Against a Hub of our own."""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from idto3d import cli
from idto3d.errors import UserError
from idto3d.prior import download
from idto3d.prior.catalogue import SOURCES, Source
from idto3d.prior.command import run_download
from tests.backend.no_network import cut_network
from tests.backend.prior.toy_hub import COMMIT, Hub, running

SOURCE = Source("toy", "a/b", "CC0-1.0", "a test", ("config.json", "weights.safetensors"))
WEIGHTS = bytes(range(256)) * 400


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    # Other commands of this process have told the library to stay offline.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with running(Hub({"config.json": b"{}", "weights.safetensors": WEIGHTS})) as serving:
        yield serving


def asked_for(target: Path, **changes: object) -> argparse.Namespace:
    values = {"source": "a/b", "output": target, "half": False, "yes": False, "offline": False}
    return argparse.Namespace(**{**values, **changes})


def test_plan_is_what_the_hub_says(hub: Hub, tmp_path: Path) -> None:
    plan = download.make_plan(SOURCE, tmp_path / "out", False, hub.endpoint)
    assert (plan.revision, plan.size, plan.missing) == (COMMIT, 102402, 102402)
    text = download.describe(plan)
    assert "CC0-1.0" in text and "102 kB" in text and str(tmp_path / "out") in text
    assert not (tmp_path / "out").exists()


def test_broken_connection_goes_on_where_it_broke(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    plan = download.make_plan(SOURCE, tmp_path / "out", False, hub.endpoint)
    hub.break_after = 10_000
    with pytest.raises(UserError, match="broke off.*is kept"):
        download.fetch(plan, lambda text: None, hub.endpoint)
    part = tmp_path / "out" / "weights.safetensors.part"
    begun = part.stat().st_size
    assert 0 < begun < len(WEIGHTS) and not (tmp_path / "out" / "weights.safetensors").exists()
    assert plan.missing == plan.size - begun - 2
    hub.break_after = None
    hub.asked.clear()
    download.fetch(plan, lambda text: None, hub.endpoint)
    assert hub.asked == [(f"/a/b/resolve/{COMMIT}/weights.safetensors", f"bytes={begun}-")]
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == WEIGHTS
    assert not part.exists() and plan.missing == 0
    assert download.is_complete(tmp_path / "out", SOURCE)


def test_damaged_file_gets_no_name(hub: Hub, tmp_path: Path) -> None:
    hub.sums["weights.safetensors"] = "0" * 64
    plan = download.make_plan(SOURCE, tmp_path / "out", False, hub.endpoint)
    with pytest.raises(UserError, match="arrived damaged"):
        download.fetch(plan, lambda text: None, hub.endpoint)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["config.json"]


def test_full_disk_is_said_before_anything_moves(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = download.make_plan(SOURCE, tmp_path / "a" / "b", False, hub.endpoint)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="1 kB free, and 102 kB are missing"):
        download.fetch(plan, lambda text: None, hub.endpoint)
    assert not (tmp_path / "a").exists()


def test_nothing_without_a_yes(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files = {"unet/config.json": b"{}", "unet/diffusion_pytorch_model.safetensors": WEIGHTS}
    arguments = asked_for(tmp_path / "out")
    assert run_download(arguments, lambda question: "n", hub.endpoint) == 1
    assert "licence   mit" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()

    def nobody(question: str) -> str:
        raise EOFError

    with pytest.raises(UserError, match="--yes"):
        run_download(arguments, nobody, hub.endpoint)
    assert run_download(arguments, lambda question: "Yes", hub.endpoint) == 0
    assert (tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    arguments = asked_for(tmp_path / "other", yes=True)
    assert run_download(arguments, nobody, hub.endpoint) == 0


def test_licence_that_is_not_named_is_said(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files = {"unet/config.json": b"{}", "unet/model.bin": b"x"}
    hub.licence = None
    assert run_download(asked_for(tmp_path / "out"), lambda question: "", hub.endpoint) == 1
    assert "none named" in capsys.readouterr().out


def test_offline_asks_nobody(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = download.make_plan(SOURCE, tmp_path / "out", False, hub.endpoint)
    download.fetch(plan, lambda text: None, hub.endpoint)
    cut_network(monkeypatch)
    arguments = asked_for(tmp_path / "out", offline=True)
    assert run_download(arguments, input) == 0
    (tmp_path / "out" / "config.json").unlink()
    with pytest.raises(UserError, match="not complete"):
        run_download(arguments, input)


def test_what_the_hub_lacks(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no unet folder"):
        download.make_plan(Source("a/b", "a/b", "", ""), tmp_path, False, hub.endpoint)
    with pytest.raises(UserError, match="no public repository x/y"):
        download.make_plan(Source("x/y", "x/y", "", ""), tmp_path, False, hub.endpoint)
    with pytest.raises(UserError, match="can't be reached"):
        download.make_plan(SOURCE, tmp_path, False, "http://127.0.0.1:9")


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert download.source_named("me/mine").repository == "me/mine"
    assert cli.main(["prior", "download", "sdxl"]) == 2
    assert "Known are stable-diffusion-1.5" in capsys.readouterr().err


def test_every_source_has_a_licence() -> None:
    assert all(source.licence and source.repository.count("/") == 1 for source in SOURCES)
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def test_each_network_once() -> None:
    names = [
        "model_index.json",
        "v1-5-pruned.ckpt",
        "safety_checker/model.safetensors",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors",
        "text_encoder/pytorch_model.bin",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
    ]
    full = download.wanted_files(names, half=False)
    weights = [name for name in full if name.endswith((".safetensors", ".bin"))]
    assert weights == [
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.bin",
        "text_encoder/model.fp16.safetensors",
    ]
    assert "tokenizer/merges.txt" in full and "safety_checker/model.safetensors" not in full
    half = download.wanted_files(names, half=True)
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in half
    assert "unet/diffusion_pytorch_model.safetensors" not in half
    assert download.wanted_files(["vae/config.json"], half=False) == []

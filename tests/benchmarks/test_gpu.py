# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark on a GPU, as far as a CPU can run it; no number of a GPU comes from here."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, steps
from benchmarks.clock import Clock
from benchmarks.full_size import write_full_size_prior
from benchmarks.gpu import HeadMeasure, build_parser, main, measure_heads, read_measure, step_rows
from benchmarks.table import format_table
from idto3d.job import worker
from idto3d.job.protocol import JobFolder
from idto3d.prior.checkpoint_file import Family
from idto3d.prior.load import Prior
from idto3d.prior.memory import GIB
from idto3d.settings import PRESETS
from tests.backend.job import toy

SMALL = Family(
    unet={
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    },
    autoencoder={
        "block_out_channels": (4, 4, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
        "scaling_factor": 0.18215,
    },
    text_encoder={
        "vocab_size": 400,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 20,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    },
)


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_full_size_prior(folder, SMALL)
    return folder


def test_without_a_gpu_it_says_so_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 and "nothing was measured" in said.out and said.err == ""


def test_options() -> None:
    options = build_parser().parse_args(["--vram", "6", "--no-heads"])
    assert (options.vram, options.no_heads, options.prior) == (6.0, True, None)
    assert build_parser().parse_args([]).vram == 8.0


def test_step_rows_on_a_small_prior(prior: Path) -> None:
    """The same code on the CPU: four positive ratios with the bar beside them."""
    paper = PRESETS["paper"]
    settings = dataclasses.replace(
        paper,
        geometry=dataclasses.replace(paper.geometry, lattice_resolution=24),
        texture=dataclasses.replace(paper.texture, environments=2),
    )
    rows = list(step_rows(prior, Clock(torch.device("cpu"), 1), settings, 2, False, 1))
    assert len(rows) == 4 and all(row.ratio > 1 and row.goal == 1.3 for row in rows)
    assert "geometry, extracted" in format_table(rows)


def test_graph_rows_on_a_small_prior(prior: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the graphs themselves, which a CPU doesn't have."""
    replayed: list[Prior] = []
    monkeypatch.setattr(steps, "replay_denoiser", replayed.append)
    clock, paper = Clock(torch.device("cpu"), 1), PRESETS["paper"]
    lattice = dataclasses.replace(paper.geometry, lattice_resolution=24)
    settings = dataclasses.replace(paper, geometry=lattice)
    rows = list(gpu.graph_rows(prior, clock, "paper", settings, False, 1))
    assert [row.name for row in rows] == [
        "denoiser pair of paper, CUDA graphs / without",
        "geometry step of paper, CUDA graphs / without",
    ]
    assert len(replayed) == 1 and all(row.ratio > 0 for row in rows)


def test_encoders_can_be_compared(prior: Path) -> None:
    assert -1 <= gpu.encoder_agreement(prior, torch.device("cpu")) <= 1


def test_heads_are_held_to_the_bars(tmp_path: Path) -> None:
    asked: list[tuple[int, float | None]] = []

    def make(
        prior: Path, folder: Path, expressions: Sequence[str], vram: float | None
    ) -> HeadMeasure:
        asked.append((len(expressions), vram))
        return HeadMeasure(300.0 if vram else 200.0 + 100 * len(expressions), int(7.9 * GIB))

    rows, lines = measure_heads(tmp_path, tmp_path, 8.0, make)
    assert asked == [(0, None), (12, None), (0, 8.0)]  # the neutral face is the thirteenth
    assert [row.verdict for row in rows] == ["goal met", "missed", ""]
    assert rows[2].ratio == pytest.approx(1.5)
    assert lines[-1].endswith("7.90 GiB, met")
    _, lines = measure_heads(tmp_path, tmp_path, 7.5, make)
    assert lines[-1].endswith("missed")


def test_measure_comes_from_the_jobs_log(tmp_path: Path) -> None:
    folder = toy.make_job(tmp_path / "job", overrides={"pause": 0.005})
    with pytest.raises(RuntimeError, match="was not finished"):
        read_measure(JobFolder(tmp_path))
    worker.run(folder, toy.generate)
    measured = read_measure(folder)
    assert measured.seconds >= 60 * 0.005 and measured.gpu_bytes == 0

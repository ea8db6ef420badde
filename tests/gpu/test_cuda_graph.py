# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser replayed from CUDA graphs: what the plain call gives.

Run by `python -m benchmarks.gpu`; without CUDA everything here is skipped.
"""

import logging
from pathlib import Path

import pytest
import torch

from idto3d.prior.cuda_graph import GraphRecorder, Replayed
from idto3d.prior.load import Prior, compile_blocks, load_prior, replay_denoiser
from idto3d.prior.random_prior import write_random_prior

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior")
    write_random_prior(path)
    return path


@torch.no_grad()
def predicted(prior: Prior, views: int, seed: int) -> torch.Tensor:
    """The noise in latents that depend on the seed, as words, person and timesteps do."""
    generator = torch.Generator().manual_seed(seed)
    latents, hint = torch.randn(2, views, 4, 8, 8, generator=generator).cuda()
    embeddings = torch.randn(3, 128, generator=generator).cuda()
    timesteps = torch.randint(0, 1000, (views,), generator=generator)
    expressions = [("neutral", "smile", "jaw_open")[seed % 3]] * views
    told = prior.condition([f"view {seed}"] * views, embeddings, expressions)
    return prior.denoise(latents, timesteps, told, hint)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("compiled", [False, True])
def test_replayed_denoiser_gives_the_same(folder: Path, dtype: torch.dtype, compiled: bool) -> None:
    """Several inputs in two shapes, by turns; earlier results stay as they were."""
    prior = load_prior(folder, "geometry", "cuda", dtype)
    if compiled:
        compile_blocks(prior)
    calls = [(views, seed) for seed in range(4) for views in (2, 4)]
    plain = [predicted(prior, *call) for call in calls]
    replay_denoiser(prior)
    replayed = [predicted(prior, *call) for call in calls]
    tolerance = 1e-4 if dtype == torch.float32 else 1e-2
    for before, after in zip(plain, replayed, strict=True):
        torch.testing.assert_close(after, before, atol=tolerance, rtol=tolerance)


def test_memory_is_given_back() -> None:
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    call = Replayed(lambda values: (2 * values + 1).cos(), GraphRecorder())
    with torch.no_grad():
        call(values=torch.zeros(1 << 26, device="cuda"))
    assert torch.cuda.memory_reserved() - before >= 1 << 28
    del call
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() - before < 1 << 24


@torch.no_grad()
def test_what_cannot_be_recorded_is_called(caplog: pytest.LogCaptureFixture) -> None:
    """Reading a number on the CPU ends a recording; the program goes on without."""
    call = Replayed(lambda values: values * float(values.sum()), GraphRecorder())
    with caplog.at_level(logging.WARNING):
        for size in (2, 3, 2):
            assert call(values=torch.ones(size, device="cuda")).tolist() == [size] * size
    assert [record.name for record in caplog.records].count("idto3d.prior.cuda_graph") == 1

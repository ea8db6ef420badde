# SPDX-License-Identifier: GPL-3.0-or-later
"""The UNet on disk: one file or several, read back by diffusers alike."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from idto3d.prior import layout
from idto3d.prior.layout import write_unet


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=16,
        norm_num_groups=8,
    )


def test_large_networks_are_split_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = small_unet()
    write_unet(tmp_path, unet)
    assert len(list((tmp_path / "unet").glob("*.safetensors"))) == 1
    monkeypatch.setattr(layout, "_LARGEST_FILE", 200_000)
    write_unet(tmp_path, unet)
    files = list((tmp_path / "unet").glob("*.safetensors"))
    assert len(files) > 2, "the single file is gone, the shards are there"
    assert max(file.stat().st_size for file in files) < 220_000
    read = UNet2DConditionModel.from_pretrained(tmp_path / "unet", local_files_only=True)
    for name, value in unet.state_dict().items():
        assert torch.equal(read.state_dict()[name], value.half().float()), name


def test_a_smaller_network_leaves_no_old_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(layout, "_LARGEST_FILE", 200_000)
        write_unet(tmp_path, small_unet())
    write_unet(tmp_path, small_unet())
    assert sorted(path.name for path in (tmp_path / "unet").iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]

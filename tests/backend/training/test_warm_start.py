# SPDX-License-Identifier: GPL-3.0-or-later
"""A deeper network starts with a finished one's function."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from idto3d.training.warm_start import deepen


def _unet(layers: list[int], channels: tuple[int, int] = (8, 16)) -> UNet2DConditionModel:
    torch.manual_seed(sum(layers))
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=layers,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def _output(unet: UNet2DConditionModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    tokens = torch.randn(2, 5, 8, generator=generator)
    return unet(latents, torch.tensor([20, 700]), tokens).sample


@pytest.mark.parametrize("layers", [[1, 1], [3, 1], [1, 2], [2, 3]])
def test_deeper_network_is_the_same_function_and_learns(layers: list[int]) -> None:
    shallow, deep = _unet([1, 1]), _unet(layers)
    deepen(shallow, deep)
    torch.testing.assert_close(_output(deep), _output(shallow))
    _output(deep).square().mean().backward()
    added = [block.resnets[-1].conv2.weight.grad for block in deep.down_blocks]
    assert all(float(gradient.abs().max()) > 0 for gradient in added)


def test_from_two_layers_to_three() -> None:
    shallow, deep = _unet([2, 2]), _unet([3, 4])
    deepen(shallow, deep)
    torch.testing.assert_close(_output(deep), _output(shallow))


def test_another_width_is_no_start() -> None:
    with pytest.raises((KeyError, RuntimeError)):
        deepen(_unet([1, 1]), _unet([2, 1], channels=(16, 16)))


def test_fewer_layers_are_no_start() -> None:
    with pytest.raises(KeyError):
        deepen(_unet([2, 1]), _unet([1, 1]))

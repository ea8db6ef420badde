# SPDX-License-Identifier: GPL-3.0-or-later
"""Training a base on from a finished prior, into a network that may be deeper and know more words.

Layers that the finished network lacks start as the identity (Chen et al. 2016, Net2Net, section
2.3), so the first prediction is the finished network's.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import Transformer2DModel, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from idto3d.errors import UserError
from idto3d.prior.load import load_prior
from idto3d.training.diffusion import ConditionedDenoiser


@torch.no_grad()
def start_from(folder: Path, denoiser: ConditionedDenoiser) -> None:
    """Copy the base of the prior in `folder` into a fresh `denoiser`.

    The denoiser's vocabulary begins with the prior's. Raises UserError when the prior can't be
    read or is of another width.
    """
    prior = load_prior(folder, "photo")
    projector = prior.projector
    try:
        if projector is None:
            raise KeyError("no identity")
        deepen(prior.unet, denoiser.unet)
        words = denoiser.text_encoder.state_dict()
        own = prior.text_encoder.state_dict()
        for name, value in own.items():
            words[name][tuple(slice(length) for length in value.shape)] = value
        denoiser.text_encoder.load_state_dict(words)
        denoiser.projector.load_state_dict(projector.state_dict())
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"The prior in {folder} does not fit the network to be trained. "
            "Start from one that was trained with these settings, or from nothing."
        ) from error


@torch.no_grad()
def deepen(shallow: UNet2DConditionModel, deep: UNet2DConditionModel) -> None:
    """Give `deep` the function of `shallow`, which has fewer layers in some of its blocks.

    A block down gets its new layers at its end. They repeat what they are given, and so do the
    skip connections to their counterparts up, which therefore come right after the first layer.
    New channels of the input are ignored at first. Raises KeyError or RuntimeError where the
    networks differ in more.
    """
    state = dict(shallow.state_dict())
    # Hints that are new say nothing yet.
    more = deep.config.in_channels - shallow.config.in_channels
    state["conv_in.weight"] = functional.pad(state["conv_in.weight"], (0, 0, 0, 0, 0, max(more, 0)))
    for number, few in enumerate(shallow.up_blocks):
        more = len(deep.up_blocks[number].resnets) - len(few.resnets)
        for part in ("resnets", "attentions"):
            state = _shifted(state, f"up_blocks.{number}.{part}.", more)
    fresh = deep.state_dict()
    unknown = state.keys() - fresh.keys()
    if unknown:
        raise KeyError(min(unknown))
    deep.load_state_dict({**fresh, **state})
    for name, module in deep.named_modules():
        new = f"{name}.norm.weight" not in state and f"{name}.norm1.weight" not in state
        if isinstance(module, ResnetBlock2D) and new:
            _repeat(module)
        if isinstance(module, Transformer2DModel) and new:
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)


def _shifted(state: Mapping[str, Tensor], prefix: str, by: int) -> dict[str, Tensor]:
    """The state with all but the first of a block's layers moved back by so many places."""
    moved = {}
    for name, value in state.items():
        if name.startswith(prefix):
            place, rest = name.removeprefix(prefix).split(".", 1)
            name = f"{prefix}{int(place) + (by if int(place) else 0)}.{rest}"
        moved[name] = value
    return moved


def _repeat(layer: ResnetBlock2D) -> None:
    """Make a residual layer repeat its input, of the skip connection beside it nothing."""
    nn.init.zeros_(layer.conv2.weight)
    nn.init.zeros_(layer.conv2.bias)
    if layer.conv_shortcut is not None:
        nn.init.dirac_(layer.conv_shortcut.weight)
        nn.init.zeros_(layer.conv_shortcut.bias)

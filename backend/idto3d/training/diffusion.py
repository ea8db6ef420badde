# SPDX-License-Identifier: GPL-3.0-or-later
"""The diffusion loss, written once for the base and for the adapters."""

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel

from idto3d.prior.attention import install_multimodal_attention
from idto3d.prior.condition import Condition
from idto3d.prior.denoiser import NoiseSchedule, call_unet
from idto3d.prior.identity import IdentityProjector
from idto3d.training.batches import Batch
from idto3d.training.settings import DenoiserSettings, DiffusionSettings


class ConditionedDenoiser(nn.Module):
    """UNet, text encoder and identity MLP as one trainable module.

    expressions (K, E, C): the encoded texts of the vocabulary, fixed; None while expression tokens
    are not used.
    """

    expressions: torch.Tensor | None

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        projector: IdentityProjector,
        spatial_hint: bool,
        expressions: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.unet, self.text_encoder, self.projector = unet, text_encoder, projector
        self.spatial_hint = spatial_hint
        self.register_buffer("expressions", expressions, persistent=False)

    def condition(self, batch: Batch) -> Condition:
        """Tokens of a batch, those dropped set to zero."""
        expression = None
        if self.expressions is not None:
            expression = self.expressions[batch.expression] * batch.expression_keep
        return Condition(
            self.text_encoder(batch.text_ids).last_hidden_state,
            self.projector(batch.identity) * batch.identity_keep,
            expression,
        )

    def forward(self, noisy: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The raw prediction (B, C, h, w) for the batch's conditions."""
        hint = batch.hint if self.spatial_hint else None
        return call_unet(self.unet, noisy, batch.timesteps, self.condition(batch), hint)


def make_unet(
    settings: DenoiserSettings, latent_channels: int, latent_size: int, token_width: int
) -> UNet2DConditionModel:
    """A fresh compact UNet with text and identity attention below its first level.

    Attention over the 16 x 16 cells of the first level cost more than the rest of the network
    together (7.6 against 19.3 samples/s of training on a CPU core), and who a person is needs no
    such detail: the layout comes from the hint. What holds for the whole picture (its kind, skin
    tone, hair colour) reaches all levels beside the timestep instead, at no cost.
    """
    below = len(settings.channels) - 1
    unet = UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=latent_channels * (1 + settings.spatial_hint + settings.painted_hint),
        out_channels=latent_channels,
        block_out_channels=settings.channels,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * below,
        up_block_types=("CrossAttnUpBlock2D",) * below + ("UpBlock2D",),
        layers_per_block=[settings.first_layers] + [1] * below,
        cross_attention_dim=token_width,
        # diffusers calls the number of heads so.
        attention_head_dim=settings.heads,
        norm_num_groups=settings.group_norm_groups,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * token_width,
    )
    # As if it were not there, until it has learned.
    nn.init.zeros_(unet.class_embedding.linear_2.weight)
    nn.init.zeros_(unet.class_embedding.linear_2.bias)
    install_multimodal_attention(unet, ("identity",))
    return unet


def make_projector(
    settings: DenoiserSettings, dimension: int, token_width: int
) -> IdentityProjector:
    """A fresh identity MLP for embeddings of the given dimension."""
    return IdentityProjector(
        dimension,
        settings.identity_photos,
        settings.identity_hidden,
        settings.identity_tokens,
        token_width,
    )


def make_scheduler(settings: DiffusionSettings) -> DDPMScheduler:
    """The noise schedule in diffusers' terms."""
    return DDPMScheduler(
        num_train_timesteps=settings.train_timesteps,
        beta_start=settings.beta_start,
        beta_end=settings.beta_end,
        beta_schedule="scaled_linear",
        prediction_type=settings.prediction_type,
        clip_sample=False,
    )


def diffusion_loss(
    denoiser: nn.Module, batch: Batch, schedule: NoiseSchedule, kind: str, snr_gamma: float,
    metric: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Min-SNR weighted squared error (Hang et al. 2023, section 3.4), more where it counts -> ().

    kind "v_prediction" or "epsilon": the weight of the clean image's error is min(SNR, gamma) in
    both. metric (C, C): what latent_metric.py says of the latents' directions.
    """
    alpha, sigma = schedule.at(batch.timesteps, batch.clean)
    clean = batch.clean - batch.origin
    noisy = alpha * clean + sigma * batch.noise
    output = denoiser(noisy, batch).float()
    snr = (alpha / sigma).square()
    if kind == "v_prediction":
        target, weight = alpha * batch.noise - sigma * clean, 1 / (snr + 1)
    else:
        target, weight = batch.noise, 1 / snr
    weight = weight * snr.clamp(max=snr_gamma) * batch.weight
    error = torch.einsum("ij,bjhw->bihw", metric, output - target)
    return (weight * error.square()).mean()

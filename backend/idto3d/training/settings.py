# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a training stage can be told, as frozen dataclasses; the defaults are the compact
prior's."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RunSettings:
    """How long and in what manner a stage runs; the same for every stage."""

    minutes: float | None = None  # stop after this much time of this call
    samples: int | None = None  # or once the stage has seen this many samples in all
    batch_size: int = 16  # samples a process and an optimisation step
    learning_rate: float = 6e-4  # AdamW, after the warm-up
    warmup_steps: int = 100  # linear from zero
    final_learning_rate: float = 0.1  # cosine to this fraction at the end of the budget
    weight_decay: float = 0.01
    gradient_clip: float = 1.0  # L2 norm over all trained parameters
    ema_decay: float = 0.999  # of the averaged weights that are exported
    precision: str = "auto"  # auto | fp32 | bf16 | fp16
    seed: int = 0
    log_seconds: float = 20.0  # one line to the terminal and to log.jsonl
    checkpoint_minutes: float = 5.0  # state and exported weights
    sheet_minutes: float = 10.0  # sample sheet
    pool_megabytes: int = 1500  # images held in memory at once


@dataclass(frozen=True)
class AutoencoderSettings:
    """PatchAutoencoder, factor 8: (3, 128, 128) images to (8, 16, 16) latents."""

    image_size: int = 128
    latent_channels: int = 8
    channels: tuple[int, int] = (64, 128)  # at a quarter and at an eighth of the image
    crop_size: int = 64  # most batches are crops: more steps for the same pixels
    whole_share: float = 0.3  # the rest are whole images
    kl_weight: float = 1e-6  # Rombach et al. 2022, appendix G: a light pull, not a bottleneck
    gradient_weight: float = 1.0  # L1 of finite differences: sharp eyelids and lips
    coarse_weight: float = 0.5  # L1 of the 4 x 4 averages: right colours
    detail_weight: float = 12.0  # more for pixels unlike those around them: eyes, brows, lips


@dataclass(frozen=True)
class TextSettings:
    """A small CLIP text encoder over the words of our own captions."""

    width: int = 128
    layers: int = 2
    heads: int = 4
    length: int = 40  # tokens of a caption, with start and end


@dataclass(frozen=True)
class DenoiserSettings:
    """UNet2DConditionModel over 16 x 16 latents, small enough to be trained on a CPU core."""

    channels: tuple[int, ...] = (64, 128, 192)  # at 16, 8 and 4 cells
    heads: tuple[int, ...] = (2, 4, 6)  # attention heads at each level: 32 channels a head
    first_layers: int = 3  # convolution blocks on the way down at 16 cells; below it is one
    group_norm_groups: int = 16
    spatial_hint: bool = True  # the template's normals, as latents beside the noisy ones
    painted_hint: bool = True  # and its plain colours, likewise
    identity_tokens: int = 4
    identity_photos: int = 5  # embeddings that the identity MLP reads side by side
    identity_hidden: int = 256  # width of its hidden layer
    expression_tokens: int = 12  # tokens of an expression's text


@dataclass(frozen=True)
class DiffusionSettings:
    """The noise, the loss and the dropout of conditions; base and adapters alike."""

    train_timesteps: int = 1000
    beta_start: float = 0.00085  # scaled linear, as Stable Diffusion 1.5
    beta_end: float = 0.012
    prediction_type: str = "v_prediction"  # Salimans and Ho 2022
    snr_gamma: float = 5.0  # Min-SNR weight (Hang et al. 2023, eq. 7), for v: min(snr, g)/(snr + 1)
    detail_power: float = 0.75  # how much more the loss counts directions that vary little, 0 to 1
    photo_share: float = 0.25  # of the base's images; the rest is half normals, half albedo
    drop_text: float = 0.10  # classifier-free dropout, each alone ...
    drop_identity: float = 0.05
    drop_expression: float = 0.05
    drop_all: float = 0.05  # ... and all together
    expression_in_caption: float = 0.3  # base only: teaches the text encoder expression words


@dataclass(frozen=True)
class AdapterSettings:
    """Low-rank adaptation of the base to one kind of image (the paper's two stages)."""

    self_attention_rank: int = 16
    cross_attention_rank: int = 32
    style_share: float = 0.4  # of the budget: LoRA and identity alone; then the expression too
    learning_rate: float = 4e-4
    identity_drift: float = 0.2  # the expression phase ends when it has lost this of the identity


@dataclass(frozen=True)
class TrainingSettings:
    """All of the above, written beside the weights as JSON."""

    run: RunSettings = field(default_factory=RunSettings)
    autoencoder: AutoencoderSettings = field(default_factory=AutoencoderSettings)
    text: TextSettings = field(default_factory=TextSettings)
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    adapter: AdapterSettings = field(default_factory=AdapterSettings)

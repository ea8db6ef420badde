# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the compact prior's autoencoder on photographs, normals, albedo and hints alike.

The decoder can be trained further alone: latents, and all networks that were trained on them, stay
as they are.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from idto3d.errors import UserError
from idto3d.prior.layout import write_autoencoder
from idto3d.prior.manifest import LATENT_FACTOR
from idto3d.prior.patch_autoencoder import PatchAutoencoder
from idto3d.training.base import open_autoencoder
from idto3d.training.checkpoint import Counters, has_state, load_state, save_state
from idto3d.training.ema import MovingAverage
from idto3d.training.loop import make_accelerator, train_loop
from idto3d.training.settings import AutoencoderSettings, TrainingSettings
from idto3d.training.shards import (
    IMAGE_KINDS,
    Dataset,
    image_batches,
    is_held_out,
    read_shard,
)
from idto3d.training.sheets import save_sheet

DETAIL_SIZE = 9  # pixels, square: larger than a pupil


def make_autoencoder(settings: AutoencoderSettings) -> PatchAutoencoder:
    """A fresh autoencoder; images in [-1, 1], unscaled latents."""
    return PatchAutoencoder(
        latent_channels=settings.latent_channels,
        channels=settings.channels,
        sample_size=settings.image_size,
    )


def detail(images: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W): how far pixels of images (B, 3, H, W) are from the mean around them."""
    room = DETAIL_SIZE // 2
    around = F.avg_pool2d(F.pad(images, (room,) * 4, mode="replicate"), DETAIL_SIZE, 1)
    return (images - around).abs().mean(dim=1, keepdim=True)


def finite_difference_loss(image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of horizontal and vertical neighbour differences, (B, 3, H, W) each."""
    error = image - truth
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def autoencoder_loss(
    model: PatchAutoencoder,
    images: torch.Tensor,
    noise: torch.Tensor,
    settings: AutoencoderSettings,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and its parts for images (B, 3, H, W) in [0, 1]; noise (B, C, H/8, W/8) is normal."""
    truth = images * 2 - 1
    posterior = model.encode(truth).latent_dist
    output = model.decode(posterior.mean + posterior.std * noise).sample
    weight = 1 + settings.detail_weight * detail(truth)
    error = (weight * (output - truth)).abs().mean()
    gradient = finite_difference_loss(weight * output, weight * truth)
    coarse = F.avg_pool2d(output - truth, 4).abs().mean()
    kl = posterior.kl().mean()
    loss = (
        error
        + settings.gradient_weight * gradient
        + settings.coarse_weight * coarse
        + settings.kl_weight * kl
    )
    parts = {"l1": error, "gradient": gradient, "kl": kl}
    return loss, {name: value.detach() for name, value in parts.items()}


def crop_batches(
    batches: Iterator[torch.Tensor], settings: AutoencoderSettings, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Turn batches of whole images into crops, or now and then into a quarter as many wholes."""
    for images in batches:
        if torch.rand((), generator=generator) < settings.whole_share:
            yield images[: max(1, len(images) // 4)]
            continue
        room = images.shape[-1] - settings.crop_size
        corners = torch.randint(room + 1, (len(images), 2), generator=generator).tolist()
        size = settings.crop_size
        yield torch.stack(
            [
                image[:, y : y + size, x : x + size]
                for image, (y, x) in zip(images, corners, strict=True)
            ]
        )


def held_out_images(dataset: Dataset, count: int) -> dict[str, torch.Tensor]:
    """Up to `count` pictures (N, 3, H, W) in [0, 1] a kind; of held-out people where there are."""
    held_out = dataset.held_out()
    arrays = read_shard(dataset.shards()[0], ("person", *IMAGE_KINDS))
    rows = is_held_out(arrays["person"], held_out).nonzero()[0]
    if not len(rows):
        rows = np.arange(len(arrays["person"]))
    rows = rows[:: max(1, len(rows) // count)][:count]
    return {
        kind: torch.from_numpy(arrays[kind][rows]).permute(0, 3, 1, 2).float() / 255
        for kind in IMAGE_KINDS
    }


@torch.no_grad()
def measure_scale(model: PatchAutoencoder, images: torch.Tensor) -> float:
    """1 / standard deviation of the latents of images (N, 3, H, W) in [0, 1] (Rombach et al. G)."""
    return float(1 / model.encode(images * 2 - 1).latent_dist.mean.std())


def train_autoencoder(
    dataset: Dataset,
    output: Path,
    settings: TrainingSettings,
    resume: bool,
    stage: str = "autoencoder",
) -> Counters:
    """Train or go on training `output/vae`; the state is in `output/training/<stage>`.

    stage: "autoencoder", or "decoder", which begins with the autoencoder that is there. Raises
    UserError when a state is there and `resume` is False, the image sizes differ, or there is no
    autoencoder whose decoder could be trained.
    """
    folder = output / "training" / stage
    if has_state(folder) and not resume:
        raise UserError(f"{folder} holds a training state. Add --resume or choose another folder.")
    if dataset.image_size != settings.autoencoder.image_size:
        raise UserError(
            f"The dataset's images have {dataset.image_size} pixels, the autoencoder expects "
            f"{settings.autoencoder.image_size}. Use --image-size {dataset.image_size}."
        )
    run, shape = settings.run, settings.autoencoder
    accelerator = make_accelerator(run)
    torch.manual_seed(run.seed)
    model = make_autoencoder(shape) if stage == "autoencoder" else _open_decoder(output)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=run.learning_rate, weight_decay=run.weight_decay
    )
    wrapped, optimizer = accelerator.prepare(_Loss(model, shape), optimizer)
    average = MovingAverage(parameters, run.ema_decay)
    generator = torch.Generator().manual_seed(run.seed)
    counters = Counters()
    if has_state(folder):
        counters = load_state(folder, parameters, average, optimizer.optimizer, generator)
    data = torch.Generator().manual_seed(
        run.seed + counters.step * accelerator.num_processes + accelerator.process_index
    )
    batches = crop_batches(
        image_batches(dataset, run.batch_size, run.pool_megabytes, data), shape, data
    )

    def step() -> tuple[dict[str, torch.Tensor], int]:
        images = next(batches).to(accelerator.device)
        size = images.shape[-1] // LATENT_FACTOR
        noise = torch.randn(len(images), shape.latent_channels, size, size, generator=generator)
        with accelerator.autocast():
            loss, parts = wrapped(images, noise.to(accelerator.device))
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(parameters.values(), run.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()
        average.update(counters.step + 1)
        return parts, len(images) * accelerator.num_processes

    pictures = {k: v.to(accelerator.device) for k, v in held_out_images(dataset, 8).items()}

    def save() -> None:
        save_state(folder, counters, parameters, average, optimizer.optimizer, generator)
        (folder / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1))
        with average.applied():
            if stage == "autoencoder":
                scale = measure_scale(model, torch.cat(list(pictures.values())))
                model.register_to_config(scaling_factor=scale)
            write_autoencoder(output, model)

    def sheet() -> bool:
        rows = []
        with average.applied(), torch.no_grad():
            for images in pictures.values():
                latents = model.encode(images * 2 - 1).latent_dist.mean
                rows += [images, model.decode(latents).sample / 2 + 0.5]
        errors = torch.stack(
            [F.mse_loss(a, b.clamp(0, 1)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
        )
        decibels = [round(float(value), 1) for value in -10 * errors.log10()]
        print(f"{stage}: PSNR {dict(zip(pictures, decibels, strict=True))} dB", flush=True)
        save_sheet(folder / f"sheet-{counters.samples:08d}.png", rows)
        return False

    train_loop(accelerator, run, folder, stage, counters, optimizer, step, save, sheet)
    return counters


def _open_decoder(output: Path) -> PatchAutoencoder:
    """The autoencoder of `output` with its encoder at rest. Raises UserError without one."""
    model = open_autoencoder(output)
    if not isinstance(model, PatchAutoencoder):
        raise UserError(f"The autoencoder of {output} is not ours. Its decoder stays as it is.")
    for part in (model.decoder, model.polish):
        part.requires_grad_(True)
    return model.train()


class _Loss(torch.nn.Module):
    """Model and loss as one module, as distributed training wants it."""

    def __init__(self, model: PatchAutoencoder, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings

    def forward(
        self, images: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return autoencoder_loss(self.model, images, noise, self.settings)

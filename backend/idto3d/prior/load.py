# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a prior folder: autoencoder, conditions and denoiser behind one small interface."""

import difflib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from transformers import AutoTokenizer, CLIPTextModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from idto3d.errors import UserError
from idto3d.prior.attention import cross_attention_processors, install_multimodal_attention
from idto3d.prior.condition import KIND_OF_DOMAIN, Condition, name_kind
from idto3d.prior.cuda_graph import GraphRecorder, Replayed
from idto3d.prior.denoiser import NoiseSchedule, call_with_tensors
from idto3d.prior.identity import IdentityProjector
from idto3d.prior.layout import read_tensors, split_tensors
from idto3d.prior.lora import fold_lora, load_lora
from idto3d.prior.manifest import PARTS, TINY, Manifest, check_files, damaged, read_manifest
from idto3d.prior.memory import MemoryPlan
from idto3d.prior.patch_autoencoder import Autoencoder, read_autoencoder
from idto3d.prior.tiny_encoder import TinyEncoder


class Prior:
    """A diffusion prior for one domain, its weights frozen.

    Images are (B, 3, H, W) in [0, 1]; latents (B, C, H/8, W/8) are scaled to unit variance.
    """

    def __init__(
        self,
        manifest: Manifest,
        domain: str,
        unet: UNet2DConditionModel,
        autoencoder: Autoencoder,
        text_encoder: CLIPTextModel,
        tokenizer: PreTrainedTokenizerBase,
        scheduler: DDPMScheduler,
        projector: IdentityProjector | None,
    ) -> None:
        self.manifest, self.domain = manifest, domain
        self.unet, self.autoencoder = unet, autoencoder
        self.text_encoder, self.tokenizer = text_encoder, tokenizer
        self.scheduler, self.projector = scheduler, projector
        self.schedule = NoiseSchedule.from_cumulative(scheduler.alphas_cumprod)
        # The UNet as a function of tensors alone, which `replay_denoiser` exchanges.
        self.network: Callable[..., torch.Tensor] = partial(call_with_tensors, unet)
        self._encoded: dict[tuple[str, int], torch.Tensor] = {}
        self._person: tuple[torch.Tensor, torch.Tensor] | None = None  # embeddings, tokens

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' number format; inputs are converted, results come back as float32."""
        return self.unet.dtype

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] -> latents (B, C, H/8, W/8) float32; differentiable."""
        pixels = (images * 2 - 1).to(self.device, self.dtype)
        mean = self.autoencoder.encode(pixels).latent_dist.mean
        return (mean * self.autoencoder.config.scaling_factor).float()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (B, C, h, w) -> images (B, 3, 8h, 8w), about in [0, 1]; differentiable."""
        unscaled = (latents / self.autoencoder.config.scaling_factor).to(self.device, self.dtype)
        return self.autoencoder.decode(unscaled).sample.float() / 2 + 0.5

    def condition(
        self,
        captions: Sequence[str],
        identity: torch.Tensor | None = None,
        expressions: Sequence[str] | None = None,
    ) -> Condition:
        """Tokens for B captions, without the kind of image: the prior adds its own.

        identity (N, D): embeddings of one person for the whole batch, or None. expressions: B names
        of the manifest's vocabulary, or None. Raises UserError for an unknown expression.
        """
        kind = KIND_OF_DOMAIN[self.domain]
        length = self.tokenizer.model_max_length
        text = self.encode_texts([name_kind(caption, kind) for caption in captions], length)
        return Condition(
            text, self._identity(identity, len(captions)), self._expressions(expressions)
        )

    def unconditional(self, batch: int) -> Condition:
        """The empty caption, no identity, no expression."""
        return self.condition([""] * batch)

    def denoise(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        condition: Condition,
        hint_latents: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict the noise in latents (B, C, h, w) at timesteps (B,) -> (B, C, h, w) float32.

        hint_latents (B, C or 2 C, h, w) are the encoded template, its normals and for a
        painted hint its colours after them; a prior without a spatial hint ignores them.
        """
        hint = hint_latents if self.manifest.spatial_hint else None
        if hint is not None and self.domain == "geometry":
            latents = self.schedule.without_origin(latents, hint.to(latents), timesteps)
        output = self.network(
            latents=latents.to(self.device, self.dtype),
            timesteps=timesteps.to(self.device),
            text=condition.text,
            identity=condition.identity,
            expression=condition.expression,
            hint_latents=None if hint is None else hint.to(self.device, self.dtype),
        ).float()
        kind = self.scheduler.config.prediction_type
        return self.schedule.noise_from_output(output, latents, timesteps, kind)

    def encode_texts(self, texts: Sequence[str], length: int) -> torch.Tensor:
        """Texts as they are -> (B, length, C) tokens of the text encoder."""
        return torch.cat([self._encode_text(text, length) for text in texts])

    @torch.no_grad()
    def _encode_text(self, text: str, length: int) -> torch.Tensor:
        """(1, length, C) tokens of a text; remembered, since captions return again and again."""
        key = (text, length)
        if key not in self._encoded:
            ids = self.tokenizer(
                text, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
            ).input_ids
            tokens = self.text_encoder(ids.to(self.text_encoder.device)).last_hidden_state
            self._encoded[key] = tokens.to(self.device, self.dtype)
        return self._encoded[key]

    @torch.no_grad()
    def _identity(self, embeddings: torch.Tensor | None, batch: int) -> torch.Tensor | None:
        if self.projector is None:
            return None
        if embeddings is None:
            tokens = self.projector.nobody()
            return None if tokens is None else tokens.expand(batch, -1, -1)
        # Distillation asks about one person all the time.
        if self._person is None or not torch.equal(self._person[0], embeddings):
            tokens = self.projector.person(embeddings.to(self.device).float())
            self._person = embeddings.clone(), tokens
        return self._person[1].expand(batch, -1, -1)

    def _expressions(self, names: Sequence[str] | None) -> torch.Tensor | None:
        if names is None:
            return None
        texts = self.manifest.expression_texts
        for name in names:
            if name not in texts:
                near = ", ".join(difflib.get_close_matches(name, list(texts), 3, 0.0))
                raise UserError(f"The prior knows no expression {name!r}. The nearest are: {near}.")
        return self.encode_texts([texts[name] for name in names], self.manifest.expression_tokens)


def load_prior(
    folder: Path,
    domain: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    fold: bool = True,
    plan: MemoryPlan | None = None,
) -> Prior:
    """Open `folder` for a domain: "photo" (the base), "geometry" or "albedo" (base + adapter).

    fold: add LoRA to the weights; otherwise it stays active beside them (peft). Without an adapter
    file for the domain, the base alone is used. plan: with one, only what distillation needs is
    kept: no decoder, the encoder and the text encoder as it says; its `half` is `dtype`'s matter.
    Raises UserError for missing or damaged files.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    adapter = manifest.adapters.get(domain)
    needed = (*(f"{part}/" for part in PARTS), "conditioning", *([adapter] if adapter else []))
    if plan and plan.tiny_encoder:
        needed = (*needed, f"{TINY}/")
    check_files(folder, manifest, needed)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    unet = _read_part(UNet2DConditionModel, folder / "unet", torch_dtype=dtype)
    install_multimodal_attention(unet)
    conditioning = folder / "conditioning.safetensors"
    projector = None
    if conditioning.is_file():
        # LoRA in there (IP-Adapter-FaceID's) belongs to the base, on which an adapter's comes.
        projector = apply_conditioning(unet, manifest, conditioning, fold=True)
    if adapter:
        projector = apply_conditioning(unet, manifest, folder / adapter, fold) or projector
    modules = {
        "unet": unet,
        "autoencoder": _open_autoencoder(folder, dtype, plan),
        "text_encoder": _read_part(CLIPTextModel, folder / "text_encoder", dtype=dtype),
    }
    if projector:
        projector.to(dtype)
    for module in (*modules.values(), *([projector] if projector else [])):
        module.requires_grad_(False).eval()
        module.to(device)
    if plan and plan.text_on_cpu:
        modules["text_encoder"].to("cpu", torch.float32)
    # Convolutions are faster on the CPU when the channels lie side by side: the denoiser's by a
    # third, the encoder's and their gradient by a sixth.
    unet.to(memory_format=torch.channels_last)
    modules["autoencoder"].to(memory_format=torch.channels_last)
    return Prior(
        manifest,
        domain,
        **modules,
        tokenizer=_read_part(AutoTokenizer, folder / "tokenizer"),
        scheduler=_read_part(DDPMScheduler, folder / "scheduler"),
        projector=projector,
    )


def _open_autoencoder(folder: Path, dtype: torch.dtype, plan: MemoryPlan | None) -> Any:
    """The autoencoder; under a plan its encoder alone, or the small one in its place."""
    if plan and plan.tiny_encoder and (folder / TINY).is_dir():
        return _read(TinyEncoder, folder / TINY, torch_dtype=dtype)
    autoencoder = _read(read_autoencoder, folder / "vae", torch_dtype=dtype)
    if plan:
        autoencoder.decoder = None
    if plan and plan.checkpointing and isinstance(autoencoder, AutoencoderKL):
        autoencoder.enable_gradient_checkpointing()
    return autoencoder


def compile_blocks(prior: Prior, backend: str = "inductor") -> None:
    """Let torch compile the denoiser's repeated blocks, each kind once, at their first call."""
    prior.unet.compile_repeated_blocks(backend=backend, dynamic=False)


def replay_denoiser(prior: Prior) -> None:
    """On a GPU, let the denoiser be replayed from CUDA graphs wherever no gradient is wanted.

    To be called after `compile_blocks`: what is recorded is the compiled code.
    """
    prior.network = Replayed(prior.network, GraphRecorder())


def _read_part(kind: Any, path: Path, **options: torch.dtype) -> Any:
    """An object of a library class from its folder."""
    return _read(kind.from_pretrained, path, **options)


def _read(read: Callable[..., Any], path: Path, **options: torch.dtype) -> Any:
    try:
        return read(path, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        raise damaged(path, error) from error


def apply_conditioning(
    unet: UNet2DConditionModel, manifest: Manifest, path: Path, fold: bool
) -> IdentityProjector | None:
    """Give `unet` a conditioning or adapter file's keys, values and LoRA (added to the weights if
    `fold`, else active through peft); returns the identity MLP if the file holds one.

    Raises UserError when the file is damaged or belongs to another UNet.
    """
    tensors, _ = read_tensors(path)
    identity, processors, lora = split_tensors(tensors)
    try:
        if lora and fold:
            fold_lora(unet, lora)
        elif lora:
            load_lora(unet, lora)
        _load_processors(unet, processors)
        return _make_projector(identity, manifest) if identity else None
    except (KeyError, RuntimeError, AttributeError, StopIteration) as error:
        raise damaged(path, error) from error


def _load_processors(unet: UNet2DConditionModel, tensors: dict[str, torch.Tensor]) -> None:
    for path, processor in cross_attention_processors(unet).items():
        own = {n.removeprefix(f"{path}."): v for n, v in tensors.items() if n.startswith(path)}
        for name in {key.split(".")[1] for key in own} - set(processor.to_k):
            processor.add_modality(name)
        processor.to(unet.dtype).load_state_dict(processor.state_dict() | own)


def _make_projector(tensors: dict[str, torch.Tensor], manifest: Manifest) -> IdentityProjector:
    width = len(tensors["norm.weight"])
    projector = IdentityProjector(
        manifest.identity_dimension,
        manifest.identity_photos,
        hidden=len(tensors["hidden.weight"]),
        tokens=len(tensors["output.weight"]) // width,
        width=width,
        reading=manifest.identity_reading,
    )
    projector.load_state_dict(tensors)
    return projector

# SPDX-License-Identifier: GPL-3.0-or-later
"""Single optimisation steps as `idto3d.generate` takes them, without a job around them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from idto3d.assets import ASSETS, expression_names
from idto3d.guidance import Guide, chosen_expressions, draw_expressions
from idto3d.head.model import HeadModel
from idto3d.head.photo_pose import FIVE_POINTS, solve_pose
from idto3d.head.template import load_template
from idto3d.prior.condition import stack_conditions
from idto3d.prior.load import compile_blocks, load_prior, replay_denoiser
from idto3d.prior.manifest import LATENT_FACTOR
from idto3d.prior.memory import MemoryPlan
from idto3d.prior.score_distillation import DistillationSettings
from idto3d.render.cameras import sample_cameras
from idto3d.render.normals import camera_normals_image
from idto3d.settings import GeometrySettings, Settings, TextureSettings
from idto3d.texture.first_colours import first_colours
from idto3d.texture.hint_paint import hint_paint
from idto3d.texture.model import TextureModel
from idto3d.texture.shots import Shot

TIMESTEP = 400  # in the middle of both schedules; the cost doesn't depend on it


class Subject:
    """Somebody to optimise: the template with random identity, and a guide of random identity."""

    def __init__(self, prior: Path, expressions: int, device: torch.device) -> None:
        """expressions: how many, the neutral one included."""
        self.prior, self.device = prior, device
        generator = torch.Generator().manual_seed(1)
        self.template = load_template(ASSETS / "template" / "head.npz").subdivided()
        person = 0.5 * torch.randn(len(self.template.identity_basis), generator=generator)
        self.canonical = self.template.canonical(person).to(device)
        self.faces = self.template.faces.to(device)
        names = expression_names()[:expressions]
        chosen = chosen_expressions(names, ASSETS / "expressions.json")
        self.names = tuple(expression.name for expression in chosen)
        motions = [self.template.from_canonical(expression.arkit) for expression in chosen]
        self.motions = torch.stack(motions).to(device)
        self.embeddings = torch.randn(5, 128, generator=generator).to(device)

    def guide(
        self,
        domain: str,
        plan: MemoryPlan | None = None,
        compiled: bool = False,
        replayed: bool = False,
    ) -> Guide:
        """The prior for "geometry" or "albedo", told about this person.

        plan: None = a draft's. replayed: the denoiser from CUDA graphs, on a GPU.
        """
        plan = plan or MemoryPlan(tiny_encoder=Settings().speed.small_encoder)
        dtype = torch.bfloat16 if plan.half else torch.float32
        prior = load_prior(self.prior, domain, self.device, dtype, plan=plan)
        if compiled:
            compile_blocks(prior)
        if replayed:
            replay_denoiser(prior)
        return Guide(
            prior,
            self.embeddings,
            "a young woman",
            "pale skin",
            self.names,
            self.canonical + self.motions,
            self.faces,
            hint_paint(self.template).to(self.device),
            plan,
        )

    def head(self, settings: GeometrySettings) -> HeadModel:
        generator = torch.Generator().manual_seed(2)
        return HeadModel(self.canonical, self.faces, self.motions, settings, generator)

    def texture(self, settings: TextureSettings) -> TextureModel:
        """First colours from one plain grey photo, taken from the front."""
        poses = self.canonical + self.motions
        neutral = poses[0].cpu()
        side = 256
        marks = neutral[self.template.landmarks[list(FIVE_POINTS)]].numpy()
        pixels = side / 2 + side * marks[:, :2] * np.array([1.0, -1.0])
        photo = np.full((side, side, 3), 150, dtype=np.uint8)
        shot = Shot(photo, solve_pose(marks, pixels), np.zeros(neutral.shape))
        colours = first_colours(self.template, neutral, [shot], (0.8, 0.6, 0.5))
        generator = torch.Generator().manual_seed(3)
        return TextureModel(self.canonical, poses, self.faces, colours, settings, generator)


class GeometryStep:
    """One step of `generate.optimise_geometry` a call."""

    def __init__(
        self,
        subject: Subject,
        settings: GeometrySettings,
        guide: Guide,
        wrapped: bool,
        coarse: bool = False,
    ) -> None:
        """coarse: with small pictures and the linear encoder, as up to `coarse_until`."""
        self.settings, self.guide, self.wrapped, self.coarse = settings, guide, wrapped, coarse
        self.subject = subject
        self.head = subject.head(settings)
        self.optimizer = torch.optim.Adam(
            self.head.parameter_groups(settings.learning_rate),
            betas=(0.9, 0.99),
            eps=1e-10,
            fused=True,
        )
        self.generator = torch.Generator().manual_seed(4)

    def __call__(self) -> None:
        settings, device = self.settings, self.subject.device
        cameras = sample_cameras(settings.views, self.generator, settings.close_up_share)
        cameras = cameras.to(device)
        chosen = self.draw()
        surface = self.head.wrapped(chosen) if self.wrapped else self.head.extracted(chosen)
        size = self.guide.coarse_size if self.coarse else self.guide.image_size
        images, _ = camera_normals_image(
            surface.posed(), surface.faces, cameras, size, partners=surface.partners
        )
        distilled = self.guide.gradient(
            images,
            cameras,
            chosen,
            torch.full((settings.views,), TIMESTEP),
            self.generator,
            DistillationSettings(settings.guidance_scale, settings.weighting),
            self.coarse,
        )
        roughness, size = self.head.regularization(surface)
        loss = distilled.loss + settings.smoothness * roughness + settings.anchor * size
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        float(loss.detach())  # the loop reports it: a GPU would be waited for here

    def surface_alone(self) -> None:
        """The step without pictures and prior: surface, regularisers, backward, update."""
        self._follow(self.draw())

    def all_expressions(self) -> None:
        """`surface_alone` for every expression that there is."""
        self._follow(torch.arange(len(self.subject.names)))

    def _follow(self, chosen: Tensor) -> None:
        surface = self.head.wrapped(chosen) if self.wrapped else self.head.extracted(chosen)
        roughness, size = self.head.regularization(surface)
        # Something that reaches every vertex, as a picture's gradient does.
        pull = surface.posed().square().mean()
        loss = pull + self.settings.smoothness * roughness + self.settings.anchor * size
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def draw(self) -> Tensor:
        settings = self.settings
        count = len(self.subject.names)
        return draw_expressions(settings.views, count, settings.neutral_share, self.generator)


class TextureStep:
    """One step of `generate.optimise_texture` a call."""

    def __init__(
        self, subject: Subject, settings: TextureSettings, guide: Guide, albedo_only: bool
    ) -> None:
        self.settings, self.guide, self.albedo_only = settings, guide, albedo_only
        self.subject = subject
        self.texture = subject.texture(settings)
        self.optimizer = torch.optim.Adam(
            self.texture.parameter_groups(), betas=(0.9, 0.99), eps=1e-10, fused=True
        )
        self.generator = torch.Generator().manual_seed(5)

    def __call__(self) -> None:
        settings = self.settings
        cameras = sample_cameras(settings.views, self.generator, settings.close_up_share)
        cameras = cameras.to(self.subject.device)
        chosen = draw_expressions(1, len(self.subject.names), 0.4, self.generator)
        chosen = chosen.expand(settings.views)
        images, change = self.texture.render(
            cameras, chosen, self.guide.image_size, self.generator, self.albedo_only
        )
        distilled = self.guide.gradient(
            images,
            cameras,
            chosen,
            torch.full((settings.views,), TIMESTEP),
            self.generator,
            DistillationSettings(settings.guidance_scale, settings.weighting),
        )
        loss = distilled.loss + change
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        float(loss.detach())


class DenoiserCalls:
    """The two calls of classifier-free guidance for a batch of views, in one batch, nothing else.

    Conditions, noisy latents and the hint's latents are there beforehand.
    """

    def __init__(self, guide: Guide, views: int) -> None:
        prior = guide.prior
        side = guide.image_size // LATENT_FACTOR
        channels = prior.unet.config.out_channels
        generator = torch.Generator().manual_seed(6)
        told = channels * (1 + prior.manifest.painted_hint)
        both = torch.randn(2 * views, channels + told, side, side, generator=generator)
        self.noisy, self.hint = both.to(prior.device).split([channels, told], dim=1)
        names = [guide.expressions[index % len(guide.expressions)] for index in range(views)]
        captions = [f"a front view face portrait of {guide.person}"] * views
        own = prior.condition(captions, guide.identity, names)
        self.condition = stack_conditions([own, prior.unconditional(views)])
        self.timesteps = torch.full((2 * views,), TIMESTEP)
        self.prior = prior

    @torch.no_grad()
    def __call__(self) -> None:
        self.prior.denoise(self.noisy, self.timesteps, self.condition, self.hint)

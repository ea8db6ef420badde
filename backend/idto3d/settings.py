# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is asked to do: frozen settings and the presets draft, standard, paper."""

import dataclasses
import difflib
import json
import math
from dataclasses import dataclass, field
from typing import Any

from idto3d.errors import UserError

# One unit of the optimiser's cube in metres; a head with its neck lies inside [-0.5, 0.5]^3.
HEAD_METRES = 0.36


@dataclass(frozen=True)
class GeometrySettings:
    """Score distillation into shape and expressions (the paper's section on geometry)."""

    lattice_resolution: int = 64  # cells of the tetrahedral lattice along the cube
    iterations: int = 100  # optimisation steps
    wrap_from: float = 0.2  # share of the steps after which the wrapped template is rendered
    coarse_until: float = 0.0  # share of the steps with small pictures, see `prior.linear_encoder`
    views: int = 2  # pictures a step, each with its own camera and expression
    neutral_share: float = 0.4  # of the pictures that show the neutral face
    learning_rate: float = 2e-3  # Adam, canonical and deformation field
    guidance_scale: float = 3.0  # uncond + s (cond - uncond); the paper's 10 is for its prior
    weighting: str = "clean_residual"  # or "sigma_squared"; see `prior.score_distillation`
    timesteps: tuple[int, int] = (200, 700)  # first half: uniform between these
    annealed: tuple[int, int] = (200, 50)  # second half: from the first to the second
    smoothness: float = 60.0  # on the Laplacian of the change, in displacement limits
    # On its size. The shape that the photos tell is closer than the shipped prior draws it: with 30
    # it lost up to 1.5 mm, nearly all of it in size.
    anchor: float = 1e4
    max_displacement: float = 0.03  # units the surface may leave the shaped template
    close_up_share: float = 0.4  # of the views that show the face alone


@dataclass(frozen=True)
class TextureSettings:
    """Score distillation into albedo, roughness and metallic, in three stages."""

    iterations: int = 60  # optimisation steps of all stages
    diffuse_share: float = 0.8  # of the steps that learn the albedo alone
    refine_iterations: int = 0  # last steps guided by another text-to-image prior, if one is given
    views: int = 2  # pictures a step
    learning_rate: float = 3e-3  # Adam; the paper's 0.01 starts from grey, we from photos
    guidance_scale: float = 1.5  # as for the geometry
    weighting: str = "clean_residual"  # as for the geometry
    lit_share: float = 0.3  # of the pictures shown under a random light instead of plain albedo
    timesteps_diffuse: tuple[int, int] = (50, 500)  # first stage; the paper's end at 900
    timesteps_material: tuple[int, int] = (50, 500)  # second stage
    timesteps_refine: tuple[int, int] = (50, 100)  # third stage
    photo_weight: float = 8000.0  # pull of the photographs' colours where they are seen well
    smoothness: float = (
        3000.0  # on the residual's size, so that unseen parts keep their first colour
    )
    environments: int = 60  # procedural light maps to draw from
    light_spread: float = 1.0  # how far light strays from its map; 0 with one map: a fixed light
    close_up_share: float = 0.4  # of the views that show the face alone


@dataclass(frozen=True)
class AssetSettings:
    """The finished mesh and its maps."""

    target_faces: int = 12000  # triangles of the head after simplification
    texture_size: int = 1024  # pixels of the maps, square
    teeth_and_lashes: bool = True  # as geometry of their own, about 4,000 triangles more


@dataclass(frozen=True)
class SpeedSettings:
    """How the networks are run; the first three on a GPU alone, a CPU computes in 32 bits."""

    half: bool = True  # the prior's networks in 16 bits: bfloat16, or float16 on old GPUs
    compiled: bool = False  # torch compiles the denoiser's repeated blocks: a minute at the start
    # The denoiser is replayed from CUDA graphs; not under --vram, nor where memory is short. Off
    # until it has been measured on a GPU.
    graphs: bool = False
    # The prior's small encoder where it has one: latents are nearly the same, much sooner.
    small_encoder: bool = True


@dataclass(frozen=True)
class Settings:
    """A whole run."""

    geometry: GeometrySettings = field(default_factory=GeometrySettings)
    texture: TextureSettings = field(default_factory=TextureSettings)
    asset: AssetSettings = field(default_factory=AssetSettings)
    speed: SpeedSettings = field(default_factory=SpeedSettings)


PRESETS: dict[str, Settings] = {
    # Minutes on two CPU cores with the compact prior.
    "draft": Settings(),
    "standard": Settings(
        GeometrySettings(lattice_resolution=128, iterations=1500, wrap_from=0.4, views=4),
        TextureSettings(iterations=800, views=4),
        AssetSettings(target_faces=30000, texture_size=2048),
        SpeedSettings(small_encoder=False),
    ),
    # Every value that the paper gives; meant for a GPU and a prior of its size.
    "paper": Settings(
        GeometrySettings(
            lattice_resolution=256,
            iterations=6000,
            wrap_from=1.0,
            views=1,
            learning_rate=1e-4,
            guidance_scale=10.0,
            weighting="sigma_squared",
            smoothness=5000.0,
            anchor=0.0,
            max_displacement=0.1,
        ),
        TextureSettings(
            iterations=2000,
            refine_iterations=20,
            views=1,
            learning_rate=1e-2,
            guidance_scale=10.0,
            weighting="sigma_squared",
            timesteps_diffuse=(50, 900),
            lit_share=1.0,
            photo_weight=0.0,
            smoothness=0.0,
        ),  # fmt: skip
        AssetSettings(target_faces=50000, texture_size=2048),
        SpeedSettings(small_encoder=False),
    ),
}


def settings_for(preset: str, overrides: dict[str, Any]) -> Settings:
    """The preset with overrides such as {"geometry.iterations": 40}.

    Raises UserError for an unknown preset or setting, naming the nearest one.
    """
    if preset not in PRESETS:
        raise UserError(f"There is no preset '{preset}'. Choose one of: {', '.join(PRESETS)}.")
    settings = PRESETS[preset]
    for path, value in overrides.items():
        part, _, name = path.partition(".")
        group = getattr(settings, part, None)
        if group is None or not hasattr(group, name):
            known = [
                f"{section.name}.{setting.name}"
                for section in dataclasses.fields(Settings)
                for setting in dataclasses.fields(getattr(settings, section.name))
            ]
            near = difflib.get_close_matches(path, known, n=3) or known[:3]
            raise UserError(f"There is no setting '{path}'. Did you mean {', '.join(near)}?")
        wanted = _converted(path, value, getattr(group, name))
        changed = dataclasses.replace(group, **{name: wanted})
        settings = dataclasses.replace(settings, **{part: changed})
    return settings


def _converted(path: str, value: Any, example: Any) -> Any:
    """`value`, as it comes from JSON, in the type of the preset's value; else UserError."""
    if isinstance(example, bool) and isinstance(value, bool):
        return value
    if isinstance(example, tuple) and isinstance(value, list | tuple):
        if len(value) == len(example):
            return tuple(_converted(path, *pair) for pair in zip(value, example, strict=True))
    elif not isinstance(example, bool) and not isinstance(value, bool):
        if isinstance(example, float):
            if isinstance(value, int | float) and math.isfinite(value):
                return float(value)
        elif isinstance(value, type(example)):
            return value
    raise UserError(
        f"The setting '{path}' can't be {json.dumps(value)}. "
        f"Give it a value like {json.dumps(example)}."
    )

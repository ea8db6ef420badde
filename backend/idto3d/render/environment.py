# SPDX-License-Identifier: GPL-3.0-or-later
"""Light from all around: an environment map, filtered once so that shading is two look-ups.

The split-sum approximation (Karis 2013): the irradiance for the diffuse part, and for the
specular part the map blurred by GGX lobes of several roughnesses, seen along the lobe's axis.
A lobe depends on angles only, so on an equirectangular map every row of the result is a sum over
rows of circular convolutions along the columns: products of Fourier coefficients.
"""

import functools
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as functional
from torch import Tensor

from .brdf import ggx_distribution
from .hdr_files import load_environment
from .panorama import angles, solid_angles, to_map
from .procedural import procedural_environments

__all__ = [
    "EnvironmentLight",
    "LightAugmentation",
    "exposed",
    "load_environment",
    "prefilter",
    "procedural_environments",
    "randomize",
    "turned",
]

# Maps are filtered at this height; the width is twice as much. A pixel is 2.8 degrees.
HEIGHT = 64
# Roughness of the blurred maps in equal steps from 0, the map itself, to 1.
SPECULAR_LEVELS = 7


@dataclass(frozen=True)
class EnvironmentLight:
    """A filtered environment. Looks-ups are differentiable with respect to direction, roughness.

    The maps carry one more column at each side, copied from the other, to interpolate around.
    """

    irradiance: Tensor  # (3,1,H,W+2) irradiance over pi: the radiance of a white diffuse surface
    specular: Tensor  # (3,SPECULAR_LEVELS,H,W+2) radiance blurred by GGX lobes
    rotation: Tensor  # (3,3) from the world to the map's own axes
    tint: Tensor  # (3,) factor on linear RGB: intensity times colour

    def to(self, device: torch.device | str) -> "EnvironmentLight":
        return EnvironmentLight(
            self.irradiance.to(device),
            self.specular.to(device),
            self.rotation.to(device),
            self.tint.to(device),
        )

    def diffuse(self, normal: Tensor) -> Tensor:
        """Linear radiance (N,3) of a white diffuse surface with unit world normals (N,3)."""
        return self._look_up(self.irradiance, normal, torch.zeros_like(normal[:, 0]))

    def reflected(self, direction: Tensor, roughness: Tensor) -> Tensor:
        """Mean radiance (N,3) in the lobe of roughness (N,) around unit directions (N,3)."""
        return self._look_up(self.specular, direction, roughness * (SPECULAR_LEVELS - 1))

    def radiance(self, direction: Tensor) -> Tensor:
        """The unblurred map along unit directions (N,3): what the background shows."""
        return self.reflected(direction, torch.zeros_like(direction[:, 0]))

    def _look_up(self, maps: Tensor, direction: Tensor, level: Tensor) -> Tensor:
        levels, height, width = maps.shape[1:]
        column, row = to_map(direction @ self.rotation.T, height, width - 2)
        # grid_sample wants [-1,1] from the first sample's centre to the last one's.
        grid = torch.stack(
            [
                (column + 1) * (2 / (width - 1)) - 1,
                row * (2 / (height - 1)) - 1,
                level * (2 / max(levels - 1, 1)) - 1,
            ],
            -1,
        )
        sampled = functional.grid_sample(
            maps[None], grid[None, None, None], padding_mode="border", align_corners=True
        )
        return sampled[0, :, 0, 0].T * self.tint


@functools.cache
def _lobe_spectra(height: int, width: int) -> Tensor:
    """(W/2+1, (1+SPECULAR_LEVELS)*H, H): Fourier coefficients along columns of all lobes.

    Lobe 0 is the clamped cosine, then GGX by roughness with view = normal = lobe axis, whose
    weight is D(half) * cos(light) (Karis 2013, section 'Pre-Filtered Environment Map'). Weights
    include solid angles and add to one around each axis. Computed once in a process.
    """
    polar, azimuth = angles(height, width)
    turn = azimuth[0] - azimuth
    cosine = torch.cos(polar)[:, None, None] * torch.cos(polar)[None, :, None] + (
        torch.sin(polar)[:, None, None] * torch.sin(polar)[None, :, None] * torch.cos(turn)
    )
    light = cosine.clamp(0, 1)
    cos_half = torch.sqrt((1 + cosine.clamp(-1, 1)) / 2)
    lobes = [light]
    for level in range(1, SPECULAR_LEVELS):
        roughness = torch.tensor(level / (SPECULAR_LEVELS - 1))
        lobes.append(ggx_distribution(cos_half, roughness) * light)
    # Roughness 0 keeps the map as it is.
    mirror = torch.zeros_like(light)
    mirror[:, :, 0] = torch.eye(height)
    lobes.insert(1, mirror)
    weighted = torch.stack(lobes) * solid_angles(height, width)
    weighted = weighted / weighted.sum((2, 3), keepdim=True)
    # Even in the turn, so the coefficients are real.
    spectra = torch.fft.rfft(weighted, dim=-1).real
    return spectra.flatten(0, 1).permute(2, 0, 1).contiguous()


def exposed(light: EnvironmentLight, white_balance: bool = False) -> EnvironmentLight:
    """The light at the strength in which a white wall seen from the front is just white.

    As a photographer exposes for the face: the mean luminance (ITU-R BT.709) of a white diffuse
    surface over normals within 60 degrees of +Z becomes one; with `white_balance` that of each
    channel.
    """
    angle = torch.deg2rad(torch.linspace(-60, 60, 7, device=light.tint.device))
    sideways, upward = (grid.flatten() for grid in torch.meshgrid(angle, angle, indexing="ij"))
    normals = torch.stack(
        [
            torch.sin(sideways) * torch.cos(upward),
            torch.sin(upward),
            torch.cos(sideways) * torch.cos(upward),
        ],
        -1,
    )
    white = light.diffuse(normals).mean(0)
    if not white_balance:
        white = white @ light.tint.new_tensor([0.2126, 0.7152, 0.0722])
    return replace(light, tint=light.tint / white.clamp(min=1e-4))


def turned(light: EnvironmentLight, yaw: float) -> EnvironmentLight:
    """The light turned by `yaw` degrees about the vertical, as `cameras.orbit` turns a camera.

    So a camera at that yaw sees it as the one at 0 sees `light`: the photographer's light stays
    and the head turns.
    """
    cosine, sine = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    back = light.rotation.new_tensor([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])
    return replace(light, rotation=light.rotation @ back)


def prefilter(environment: Tensor) -> EnvironmentLight:
    """Filter a linear equirectangular map (H,W,3) of any size for shading, on its device.

    Larger maps are averaged down to HEIGHT rows first. About 10 ms on a CPU core.
    """
    channels = environment.float().permute(2, 0, 1)
    resized = functional.interpolate(channels[None], (HEIGHT, 2 * HEIGHT), mode="area")[0]
    spectra = _lobe_spectra(HEIGHT, 2 * HEIGHT).to(environment.device)
    spectrum = torch.fft.rfft(resized, dim=-1).permute(2, 1, 0)  # (frequency, row, channel)
    real = spectra @ torch.view_as_real(spectrum).flatten(2)
    result = torch.view_as_complex(real.view(*real.shape[:2], 3, 2))
    filtered = torch.fft.irfft(result, n=2 * HEIGHT, dim=0)  # (column, lobe and row, channel)
    filtered = filtered.permute(2, 1, 0).reshape(3, 1 + SPECULAR_LEVELS, HEIGHT, 2 * HEIGHT)
    # The transforms leave rounding errors around zero.
    filtered = torch.cat([filtered[..., -1:], filtered, filtered[..., :1]], -1).clamp(min=0)
    return EnvironmentLight(
        filtered[:, :1].contiguous(),
        filtered[:, 1:].contiguous(),
        torch.eye(3, device=environment.device),
        torch.ones(3, device=environment.device),
    )


@dataclass(frozen=True)
class LightAugmentation:
    """How far random light strays from the map as it is."""

    turn: float = 180.0  # degrees to each side around the vertical, uniform
    tilt: float = 15.0  # standard deviation in degrees of a tilt around a random level axis
    intensity: float = 0.25  # standard deviation of the natural logarithm of the brightness
    tint: float = 0.06  # standard deviation of the logarithm of each channel's factor

    def scaled(self, share: float) -> "LightAugmentation":
        """That much of it: 0 leaves every light as it is."""
        return LightAugmentation(*(share * value for value in vars(self).values()))


def randomize(
    light: EnvironmentLight,
    generator: torch.Generator,
    augmentation: LightAugmentation = LightAugmentation(),  # noqa: B008 (frozen)
) -> EnvironmentLight:
    """The same environment turned, tilted, brighter or darker, and tinted; costs nothing."""
    turn = math.radians(augmentation.turn) * (2 * torch.rand((), generator=generator) - 1)
    axis = 2 * math.pi * torch.rand((), generator=generator)
    tilt = math.radians(augmentation.tilt) * torch.randn((), generator=generator)
    rotation = _turn(axis) @ _tilt(tilt) @ _turn(turn - axis)
    logarithm = augmentation.tint * torch.randn(3, generator=generator)
    logarithm = logarithm + augmentation.intensity * torch.randn((), generator=generator)
    return replace(
        light,
        rotation=light.rotation @ rotation.to(light.rotation),
        tint=light.tint * logarithm.exp().to(light.tint),
    )


def _turn(angle: Tensor) -> Tensor:
    """Rotation around Y by an angle in radians."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros(()), torch.ones(())
    return torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos]).view(3, 3)


def _tilt(angle: Tensor) -> Tensor:
    """Rotation around X by an angle in radians."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros(()), torch.ones(())
    return torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos]).view(3, 3)

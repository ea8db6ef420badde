# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished head looks like: the light mesh with its baked maps, drawn as an engine does.

Only what is in the glTF is used (light mesh, atlas, three maps), so a fault of the bake shows.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.asset.textured import TexturedHead
from idto3d.render.cameras import Cameras
from idto3d.render.environment import EnvironmentLight
from idto3d.render.shade import linear_to_srgb, shade, tone_map

# Each pixel is the mean of SUPERSAMPLING^2 samples.
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Portrait:
    """Two pictures of one view, (size,size,3) in [0,1], on the CPU."""

    textured: Tensor  # sRGB, as the screen shows it, on grey
    normals: Tensor  # camera space, (n+1)/2, the normal map included, on white


def draw(
    head: TexturedHead,
    pose: int,
    camera: Cameras,
    size: int,
    light: EnvironmentLight,
    background: float = 0.93,
) -> Portrait:
    """One pose in one light.

    pose: index into the model's expressions. camera: a batch of one. size: pixels of a side.
    background: sRGB grey behind the textured head.
    """
    seen = head.see(pose, camera, size * SUPERSAMPLING)
    toward_camera = functional.normalize(camera.position - seen.position, dim=1)
    linear = shade(
        seen.albedo, seen.orm[:, 1:2], seen.orm[:, 2:3], seen.normal, toward_camera, light
    )
    # The split sum knows no shadows: occlusion stands in for them.
    colour = linear_to_srgb(tone_map(linear * seen.orm[:, :1]))
    normals = 0.5 * seen.normal @ camera.view[0, :3, :3].T + 0.5
    return Portrait(
        _downsample(_scatter(colour, seen.inside, background)),
        _downsample(_scatter(normals, seen.inside, 1.0)),
    )


def _scatter(colour: Tensor, inside: Tensor, background: float) -> Tensor:
    image = torch.full((*inside.shape, 3), background)
    image[inside] = colour.clamp(0, 1)
    return image


def _downsample(image: Tensor) -> Tensor:
    channels = functional.avg_pool2d(image.permute(2, 0, 1)[None], SUPERSAMPLING)
    return channels[0].permute(1, 2, 0)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras around the head: orbits, the random views of score distillation, world to clip space.

World: right-handed, Y up, +Z out of the face, one unit = `settings.HEAD_METRES`. A camera looks
down its own -Z with x right and y up, as in OpenGL. Yaw 0 is the front view, yaw +90 stands at +X
and sees the person's left side, positive pitch looks from above.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Where close-ups aim: the middle of the face in the unit cube, between the eyes and the lips.
FACE_CENTRE = (0.0, -0.06, 0.12)
# Width of the window a close-up shows at the face centre, in units: from the brows to the lips.
CLOSE_UP_WIDTH = 0.38
# Where the other views aim and what they show: the head with its hair, and some of the neck.
HEAD_CENTRE = (0.0, 0.07, 0.0)
HEAD_WIDTH = 0.82


@dataclass(frozen=True)
class Cameras:
    """A batch of B cameras."""

    view: Tensor  # (B,4,4) float32, world to camera, applied to column vectors
    projection: Tensor  # (B,4,4) float32, camera to OpenGL clip space (z/w in [-1,1])
    yaw: Tensor  # (B,) float32 degrees
    pitch: Tensor  # (B,) float32 degrees
    close_up: Tensor  # (B,) bool, the face alone rather than the whole head

    def __len__(self) -> int:
        return self.view.shape[0]

    def __getitem__(self, index: int | slice | Tensor) -> "Cameras":
        """The chosen cameras; an integer keeps the batch dimension, of length one."""
        if isinstance(index, int):
            index = torch.tensor([index])
        return Cameras(
            self.view[index],
            self.projection[index],
            self.yaw[index],
            self.pitch[index],
            self.close_up[index],
        )

    def to(self, device: torch.device | str) -> "Cameras":
        return Cameras(
            self.view.to(device),
            self.projection.to(device),
            self.yaw.to(device),
            self.pitch.to(device),
            self.close_up.to(device),
        )

    @property
    def position(self) -> Tensor:
        """(B,3) camera centres in world space."""
        rotation, translation = self.view[:, :3, :3], self.view[:, :3, 3]
        return -torch.einsum("bji,bj->bi", rotation, translation)


def orbit(
    yaw: float | Tensor,
    pitch: float | Tensor,
    distance: float | Tensor = 2.6,
    target: tuple[float, float, float] | Tensor = (0.0, 0.0, 0.0),
    field_of_view: float | Tensor = 25.0,
) -> Cameras:
    """Cameras on spheres around `target`, looking at it, upright, for square images.

    yaw, pitch, field_of_view: degrees; distance: units; numbers or (B,) tensors, which broadcast.
    target: (3,) or (B,3) units. With the defaults a head fills about 85 % of the frame.
    `close_up` is false: the caller that makes close-ups says so.
    """
    values = (torch.as_tensor(value, dtype=torch.float32) for value in
              (yaw, pitch, distance, field_of_view))  # fmt: skip
    yaw_, pitch_, distance_, angle = torch.broadcast_tensors(*(v.reshape(-1) for v in values))
    target_ = torch.as_tensor(target, dtype=torch.float32).to(yaw_.device).reshape(-1, 3)
    count = max(len(yaw_), len(target_))
    yaw_, pitch_, distance_, angle = (v.expand(count) for v in (yaw_, pitch_, distance_, angle))
    sin_yaw, cos_yaw = torch.sin(torch.deg2rad(yaw_)), torch.cos(torch.deg2rad(yaw_))
    sin_pitch, cos_pitch = torch.sin(torch.deg2rad(pitch_)), torch.cos(torch.deg2rad(pitch_))
    zero = torch.zeros_like(yaw_)
    # Rows: the camera's right, up and backward axes in world space; poles are well defined.
    right = torch.stack([cos_yaw, zero, -sin_yaw], -1)
    up = torch.stack([-sin_pitch * sin_yaw, cos_pitch, -sin_pitch * cos_yaw], -1)
    backward = torch.stack([cos_pitch * sin_yaw, sin_pitch, cos_pitch * cos_yaw], -1)
    rotation = torch.stack([right, up, backward], 1)
    position = target_ + distance_[:, None] * backward
    view = torch.eye(4, device=yaw_.device).repeat(count, 1, 1)
    view[:, :3, :3] = rotation
    view[:, :3, 3] = -torch.einsum("bij,bj->bi", rotation, position)
    return Cameras(
        view, _perspective(angle, distance_), yaw_, pitch_, torch.zeros_like(yaw_, dtype=torch.bool)
    )


def _perspective(field_of_view: Tensor, distance: Tensor) -> Tensor:
    """(B,4,4) OpenGL projections with near and far planes that hold the unit cube's neighbourhood.

    A near plane at a fifth of the distance keeps float32 depth steps below a thousandth of a
    triangle's size.
    """
    near, far = 0.2 * distance, distance + 4.0
    scale = 1.0 / torch.tan(torch.deg2rad(field_of_view) / 2)
    projection = torch.zeros(len(distance), 4, 4, device=distance.device)
    projection[:, 0, 0] = scale
    projection[:, 1, 1] = scale
    projection[:, 2, 2] = -(far + near) / (far - near)
    projection[:, 2, 3] = -2 * far * near / (far - near)
    projection[:, 3, 2] = -1.0
    return projection


def sample_cameras(
    count: int, generator: torch.Generator, close_up_probability: float = 0.3
) -> Cameras:
    """`count` random views for score distillation and training renders, on the CPU.

    Whole head: yaw over the full turn with half the mass within 60 degrees of the front, pitch
    normal(0, 10) cut at 30 degrees, a window about HEAD_WIDTH wide. Close-up: yaw within 70
    degrees, a window about CLOSE_UP_WIDTH wide. Both with a small jitter of distance and target.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    close_up = torch.rand(count, generator=generator) < close_up_probability
    # Half of the draws fall in the front 120 degrees, half in the other 240.
    front = torch.rand(count, generator=generator) < 0.5
    yaw_whole = torch.where(front, uniform(-60, 60), uniform(60, 300))
    yaw = torch.where(close_up, uniform(-70, 70), (yaw_whole + 180) % 360 - 180)
    pitch = (10 * torch.randn(count, generator=generator)).clamp(-30, 30)
    jitter = torch.stack([uniform(-1, 1) for _ in range(3)], -1)
    target = torch.where(
        close_up[:, None],
        torch.tensor(FACE_CENTRE) + 0.02 * jitter,
        torch.tensor(HEAD_CENTRE) + 0.03 * jitter,
    )
    distance = 2.6 * uniform(0.95, 1.08)
    width = torch.where(close_up, CLOSE_UP_WIDTH, HEAD_WIDTH) * uniform(0.9, 1.1)
    angle = torch.rad2deg(2 * torch.atan(width / 2 / distance))
    cameras = orbit(yaw, pitch, distance, target, angle)
    return Cameras(cameras.view, cameras.projection, cameras.yaw, cameras.pitch, close_up)


def transform(vertices: Tensor, cameras: Cameras) -> Tensor:
    """World positions (V,3) or (B,V,3) to clip positions (B,V,4), differentiable."""
    matrix = cameras.projection @ cameras.view
    clip = vertices @ matrix[:, :, :3].transpose(1, 2)
    return clip + matrix[:, None, :, 3]

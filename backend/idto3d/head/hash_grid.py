# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: disable-error-code="valid-type, misc, attr-defined, arg-type, list-item"
"""Multiresolution hash encoding (Mueller et al. 2022, Instant-NGP, section 3) in Warp kernels.

Encoding is split in two: `locate` finds, for each point and level, the table slots and the
trilinear weights of the eight surrounding grid points; `forward` gathers. The backward pass is
the transposed scatter. On a CPU this is faster than hashing in both passes even for points used
once, and points that stay (the vertices of a narrow band, a template) are located only once, which
halves the cost again.
"""

from dataclasses import dataclass
from typing import Any

import torch
import warp as wp

wp.config.log_level = wp.LOG_WARNING
wp.init()

FEATURES = 2  # features a level and table slot, as in the paper
_PRIME_Y = wp.constant(wp.uint32(2654435761))  # equation 4; the prime of x is 1
_PRIME_Z = wp.constant(wp.uint32(805459861))


@dataclass(frozen=True)
class HashGridSettings:
    """Sizes of one hash grid."""

    levels: int = 8  # grids of growing resolution
    log2_table_size: int = 15  # slots of a level at most; coarse levels that fit aren't hashed
    base_resolution: int = 8  # cells along the cube at the coarsest level
    finest_resolution: int = 128  # cells along the cube at the finest level

    def resolutions(self) -> list[int]:
        """Cells along the cube for each level: a geometric series (equations 2 and 3)."""
        if self.levels == 1:
            return [self.base_resolution]
        growth = (self.finest_resolution / self.base_resolution) ** (1 / (self.levels - 1))
        return [int(self.base_resolution * growth**level + 1e-6) for level in range(self.levels)]

    def table_sizes(self) -> list[int]:
        """Slots for each level."""
        return [min((r + 1) ** 3, 1 << self.log2_table_size) for r in self.resolutions()]


@dataclass(frozen=True)
class LocatedPoints:
    """Points and where they lie in one hash grid; good for grids of the same settings.

    points (N,3) float32; slot (levels, N, 8) int32, rows of the joined table; weight (levels, N, 8)
    float32, trilinear. Both are empty for an encoder that doesn't need them.
    """

    points: torch.Tensor
    slot: torch.Tensor
    weight: torch.Tensor


class HashGrid(torch.nn.Module):
    """Trainable features on grids of several resolutions over the cube [-0.5, 0.5]^3.

    Tables start uniform in ±1e-4, drawn from `generator`. Gradients flow to the table only; points
    count as constants. On CUDA the backward pass adds atomically, so its last bits vary from run
    to run.
    """

    def __init__(self, settings: HashGridSettings, generator: torch.Generator):
        super().__init__()
        sizes = settings.table_sizes()
        table = torch.rand(sum(sizes), FEATURES, generator=generator)
        self.table = torch.nn.Parameter((2 * table - 1) * 1e-4)
        self.levels = settings.levels
        self.width = settings.levels * FEATURES
        starts = torch.tensor([0, *sizes]).cumsum(dim=0)
        self.register_buffer("starts", starts.int(), persistent=False)
        self.register_buffer("resolutions", torch.tensor(settings.resolutions()).int(), False)

    def locate(self, points: torch.Tensor) -> LocatedPoints:
        """Slots and weights of points (N,3) float32; those outside the cube are clamped to it."""
        points = points.detach().float().contiguous()
        shape = (self.levels, len(points), 8)
        slot = torch.empty(shape, dtype=torch.int32, device=points.device)
        weight = torch.empty(shape, device=points.device)
        inputs = [wp.from_torch(points, dtype=wp.vec3)]
        inputs += [wp.from_torch(self.resolutions), wp.from_torch(self.starts)]
        outputs = [wp.from_torch(slot), wp.from_torch(weight)]
        _launch(_locate, (len(points),), points, inputs, outputs)
        return LocatedPoints(points, slot, weight)

    def forward(self, points: torch.Tensor | LocatedPoints) -> torch.Tensor:
        """Features (N, levels * 2) float32 of points (N,3), or of points located before."""
        located = points if isinstance(points, LocatedPoints) else self.locate(points)
        return _Gather.apply(self.table, located.slot, located.weight)


class _Gather(torch.autograd.Function):
    """out[n, level] = sum over the level's 8 corners of weight * table[slot]."""

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, slot: torch.Tensor, weight: torch.Tensor) -> Any:
        ctx.save_for_backward(slot, weight)
        ctx.table_shape = table.shape
        out = torch.empty(slot.shape[1], len(slot), FEATURES, device=table.device)
        table = table.detach().contiguous()
        inputs = [wp.from_torch(slot), wp.from_torch(weight), wp.from_torch(table, dtype=wp.vec2)]
        _launch(_gather, slot.shape[:2], out, inputs, [wp.from_torch(out, dtype=wp.vec2)])
        return out.flatten(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        slot, weight = ctx.saved_tensors
        gradient = gradient.contiguous().view(slot.shape[1], -1, FEATURES)
        to_table = torch.zeros(ctx.table_shape, device=gradient.device)
        inputs = [wp.from_torch(slot), wp.from_torch(weight)]
        inputs.append(wp.from_torch(gradient, dtype=wp.vec2))
        outputs = [wp.from_torch(to_table, dtype=wp.vec2)]
        _launch(_scatter, slot.shape[:2], gradient, inputs, outputs)
        return to_table, None, None


@wp.kernel
def _locate(
    points: wp.array(dtype=wp.vec3),
    resolutions: wp.array(dtype=wp.int32),
    starts: wp.array(dtype=wp.int32),
    slot: wp.array3d(dtype=wp.int32),
    weight: wp.array3d(dtype=wp.float32),
):
    n = wp.tid()
    p = points[n]
    for level in range(resolutions.shape[0]):
        resolution = resolutions[level]
        start = starts[level]
        size = starts[level + 1] - start
        side = resolution + 1
        x = wp.clamp(p[0] + 0.5, 0.0, 1.0) * float(resolution)
        y = wp.clamp(p[1] + 0.5, 0.0, 1.0) * float(resolution)
        z = wp.clamp(p[2] + 0.5, 0.0, 1.0) * float(resolution)
        i = wp.min(int(x), resolution - 1)
        j = wp.min(int(y), resolution - 1)
        k = wp.min(int(z), resolution - 1)
        fx = x - float(i)
        fy = y - float(j)
        fz = z - float(k)
        is_dense = side * side <= size / side
        for corner in range(8):
            a = corner & 1
            b = (corner >> 1) & 1
            c = corner >> 2
            share = wp.where(a == 1, fx, 1.0 - fx)
            share *= wp.where(b == 1, fy, 1.0 - fy)
            share *= wp.where(c == 1, fz, 1.0 - fz)
            if is_dense:
                row = ((i + a) * side + j + b) * side + k + c
            else:
                hashed = wp.uint32(i + a) ^ (wp.uint32(j + b) * _PRIME_Y)
                hashed = hashed ^ (wp.uint32(k + c) * _PRIME_Z)
                row = int(hashed & wp.uint32(size - 1))
            slot[level, n, corner] = start + row
            weight[level, n, corner] = share


@wp.kernel
def _gather(
    slot: wp.array3d(dtype=wp.int32),
    weight: wp.array3d(dtype=wp.float32),
    table: wp.array(dtype=wp.vec2),
    out: wp.array2d(dtype=wp.vec2),
):
    # One level after the other: a level's part of the table fits into a core's cache, all don't.
    level, n = wp.tid()
    total = wp.vec2(0.0, 0.0)
    for corner in range(8):
        total += weight[level, n, corner] * table[slot[level, n, corner]]
    out[n, level] = total


@wp.kernel
def _scatter(
    slot: wp.array3d(dtype=wp.int32),
    weight: wp.array3d(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.vec2),
    to_table: wp.array(dtype=wp.vec2),
):
    level, n = wp.tid()
    g = gradient[n, level]
    for corner in range(8):
        w = weight[level, n, corner]
        wp.atomic_add(to_table, slot[level, n, corner], w * g)


def _launch(
    kernel: wp.Kernel,
    shape: tuple[int, ...],
    rows: torch.Tensor,
    inputs: list[wp.array],
    outputs: list[wp.array],
) -> None:
    """One thread for each place in `shape`, on the rows' device and torch's current stream."""
    if len(rows) == 0:
        return
    wp.launch(
        kernel,
        dim=tuple(shape),
        inputs=inputs,
        outputs=outputs,
        device=wp.device_from_torch(rows.device),
        stream=wp.stream_from_torch(rows.device) if rows.is_cuda else None,
    )

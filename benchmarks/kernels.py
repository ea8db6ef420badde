# SPDX-License-Identifier: GPL-3.0-or-later
"""Our kernels against other ways to the same result: Embree's rays, plain torch."""

import importlib.util
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import Clock, Task
from benchmarks.steps import Subject
from benchmarks.table import Row
from idto3d.head.encoding import TinyCudaHashGrid
from idto3d.head.hash_grid import HashGrid, HashGridSettings
from idto3d.render.cameras import Cameras, orbit, transform
from idto3d.render.rasterize import antialias, interpolate, rasterize
from tests.backend.head.reference import encode_reference

POINTS = 50_000  # about the vertices of a narrow band at 64 cells
NEARLY_AS_FAST = 1 / 0.7  # our time over theirs: at least 0.7 times their speed
SIZES = (128, 512)  # pixels of a picture for the compact and for the full prior


def rasterizer_rows(subject: Subject, clock: Clock, repetitions: int) -> Iterator[Row]:
    """The visible face of each pixel of one front view, by our rasterizer and by Embree's rays."""
    if not all(importlib.util.find_spec(name) for name in ("trimesh", "embreex")):
        print("Without `pip install trimesh embreex` there is nothing to hold the rasterizer to.")
        return
    from trimesh import Trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    def with_tree(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        return RayMeshIntersector(mesh).intersects_first(origins, directions)

    vertices = (subject.canonical + subject.motions[0]).contiguous()
    camera = orbit(0.0, 0.0).to(vertices.device)
    clip = transform(vertices, camera)
    mesh = Trimesh(vertices.cpu().numpy(), subject.faces.cpu().numpy(), process=False)
    ready = RayMeshIntersector(mesh)
    for size in SIZES:
        rays = pixel_rays(camera, size)
        tasks: dict[str, Task] = {
            "ours": partial(rasterize, clip, subject.faces, size, size),
            "tree": partial(with_tree, *rays),
            "rays": partial(ready.intersects_first, *rays),
        }
        seconds = clock.medians(tasks, repetitions)
        ours = rasterize(clip, subject.faces, size, size).face[0].flatten().cpu().numpy()
        same = float((ours == ready.intersects_first(*rays)).mean())
        print(f"{size} x {size}: our rasterizer and Embree agree on {same:.2%} of the pixels.")
        name = f"rasterizer / Embree, {len(subject.faces) // 1000} k faces, {size} px"
        yield Row(f"{name}, with its tree", seconds["ours"], seconds["tree"])
        yield Row(f"{name}, tree ready", seconds["ours"], seconds["rays"])


def pixel_rays(camera: Cameras, size: int) -> tuple[np.ndarray, np.ndarray]:
    """World origins and directions (size * size, 3) through the pixel centres of one camera."""
    axis = (2 * torch.arange(size, device=camera.view.device) + 1) / size - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    projection = camera.projection[0]
    local = torch.stack([x / projection[0, 0], y / projection[1, 1], -torch.ones_like(x)], dim=-1)
    directions = local.flatten(0, 1) @ camera.view[0, :3, :3]
    origins = camera.position.expand(len(directions), 3)
    return origins.double().cpu().numpy(), directions.double().cpu().numpy()


def hash_grid_rows(clock: Clock, repetitions: int) -> Iterator[Row]:
    """Encoding and its gradient, by the kernels and by the tests' twin in plain torch."""
    generator = torch.Generator().manual_seed(0)
    settings = HashGridSettings()
    grid = HashGrid(settings, generator).to(clock.device)
    points = (torch.rand(POINTS, 3, generator=generator) - 0.5).to(clock.device)
    located = grid.locate(points)

    def both_ways(features: Tensor) -> None:
        grid.table.grad = None
        features.sum().backward()

    seconds = clock.medians(
        {
            "new": lambda: both_ways(grid(points)),
            "located": lambda: both_ways(grid(located)),
            "twin": lambda: both_ways(encode_reference(points, grid.table, settings)),
        },
        repetitions,
    )
    name = f"hash grid / plain torch, {POINTS // 1000} k"
    yield Row(f"{name} new points", seconds["new"], seconds["twin"])
    yield Row(f"{name} points located before", seconds["located"], seconds["twin"])


def nvdiffrast_rows(subject: Subject, clock: Clock, repetitions: int) -> Iterator[Row]:
    """A front view's normals, rasterized and with the gradient back, over nvdiffrast's (CUDA)."""
    if not importlib.util.find_spec("nvdiffrast"):
        return
    import nvdiffrast.torch as theirs

    context = theirs.RasterizeCudaContext(device=clock.device)
    vertices = (subject.canonical + subject.motions[0]).contiguous()
    faces = subject.faces.to(torch.int32).contiguous()
    clip = transform(vertices, orbit(0.0, 0.0).to(clock.device))

    def ours(size: int) -> None:
        points = clip.detach().requires_grad_()
        fragments = rasterize(points, faces, size, size)
        image = interpolate(vertices, fragments, faces)
        antialias(image, fragments, points, faces).sum().backward()

    def other(size: int) -> None:
        points = clip.detach().requires_grad_()
        pixels, _ = theirs.rasterize(context, points, faces, (size, size))
        image, _ = theirs.interpolate(vertices[None], pixels, faces)
        theirs.antialias(image, pixels, points, faces).sum().backward()

    for size in SIZES:
        tasks: dict[str, Task] = {"ours": partial(ours, size), "theirs": partial(other, size)}
        seconds = clock.medians(tasks, repetitions, warm_up=5)
        name = f"rasterizer / nvdiffrast, {size} px"
        yield Row(name, seconds["ours"], seconds["theirs"], goal=NEARLY_AS_FAST)


def tinycudann_rows(clock: Clock, repetitions: int) -> Iterator[Row]:
    """Our hash grid's encoding and its gradient over tiny-cuda-nn's (CUDA)."""
    if not importlib.util.find_spec("tinycudann"):
        return
    generator = torch.Generator().manual_seed(0)
    settings = HashGridSettings()
    own = HashGrid(settings, generator).to(clock.device)
    points = (torch.rand(POINTS, 3, generator=generator) - 0.5).to(clock.device)
    grids = {"ours": own, "theirs": TinyCudaHashGrid(settings, generator).to(clock.device)}

    def both_ways(grid: torch.nn.Module) -> None:
        grid.zero_grad()
        grid(points).sum().backward()

    tasks: dict[str, Task] = {name: partial(both_ways, grid) for name, grid in grids.items()}
    seconds = clock.medians(tasks, repetitions, warm_up=5)
    name = f"hash grid / tiny-cuda-nn, {POINTS // 1000} k points"
    yield Row(name, seconds["ours"], seconds["theirs"], goal=NEARLY_AS_FAST)

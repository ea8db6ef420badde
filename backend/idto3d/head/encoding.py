# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hash grid a field gets: tiny-cuda-nn's on CUDA where it is installed, else our own."""

import importlib.util

import torch

from idto3d.head.hash_grid import FEATURES, HashGrid, HashGridSettings, LocatedPoints


def make_hash_grid(
    settings: HashGridSettings, generator: torch.Generator, device: torch.device | str = "cpu"
) -> "HashGrid | TinyCudaHashGrid":
    """A module with `width`, `locate(points)` and `forward(points)` as in `HashGrid`, on `device`.

    The two kinds lay out their tables differently: a checkpoint opens with the kind that wrote it.
    """
    if torch.device(device).type == "cuda" and importlib.util.find_spec("tinycudann"):
        return TinyCudaHashGrid(settings, generator)
    return HashGrid(settings, generator).to(device)


class TinyCudaHashGrid(torch.nn.Module):
    """The same encoding by tiny-cuda-nn (CUDA only), in single precision."""

    def __init__(self, settings: HashGridSettings, generator: torch.Generator):
        super().__init__()
        import tinycudann

        resolutions = settings.resolutions()
        ratio = settings.finest_resolution / settings.base_resolution
        self.width = settings.levels * FEATURES
        self.encoding = tinycudann.Encoding(
            n_input_dims=3,
            encoding_config={
                "otype": "HashGrid",
                "n_levels": settings.levels,
                "n_features_per_level": FEATURES,
                "log2_hashmap_size": settings.log2_table_size,
                "base_resolution": settings.base_resolution,
                "per_level_scale": ratio ** (1 / max(len(resolutions) - 1, 1)),
            },
            seed=int(torch.randint(1 << 31, (1,), generator=generator)),
            dtype=torch.float32,
        )

    def locate(self, points: torch.Tensor) -> LocatedPoints:
        """The points themselves: tiny-cuda-nn hashes anew at each call."""
        nothing = torch.empty(0, device=points.device)
        return LocatedPoints(points.detach().float().contiguous(), nothing.int(), nothing)

    def forward(self, points: torch.Tensor | LocatedPoints) -> torch.Tensor:
        """Features (N, levels * 2) float32 of points (N,3), or of points located before."""
        located = points if isinstance(points, LocatedPoints) else self.locate(points)
        return self.encoding((located.points + 0.5).clamp(0, 1)).float()

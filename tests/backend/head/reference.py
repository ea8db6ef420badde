# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain torch twins of the head's kernels."""

import torch

from idto3d.head.hash_grid import FEATURES, HashGridSettings


def encode_reference(
    points: torch.Tensor, table: torch.Tensor, settings: HashGridSettings
) -> torch.Tensor:
    """Instant-NGP's encoding in plain torch, differentiable in `table`: (N, levels * 2)."""
    out: list[torch.Tensor] = []
    start = 0
    for resolution, size in zip(settings.resolutions(), settings.table_sizes(), strict=True):
        scaled = (points + 0.5).clamp(0, 1) * resolution
        cell = scaled.long().clamp(max=resolution - 1)
        fraction = scaled - cell
        total = torch.zeros(len(points), FEATURES, device=points.device)
        for corner in torch.cartesian_prod(*[torch.arange(2, device=points.device)] * 3):
            x, y, z = (cell + corner).unbind(dim=-1)
            if (resolution + 1) ** 3 <= size:
                row = (x * (resolution + 1) + y) * (resolution + 1) + z
            else:
                # The products fit in 64 bits; only the low bits that survive the modulus matter.
                row = (x ^ (y * 2654435761) ^ (z * 805459861)) % size
            weight = torch.where(corner.bool(), fraction, 1 - fraction).prod(dim=-1)
            total = total + weight[:, None] * table[start + row]
        out.append(total)
        start += size
    return torch.cat(out, dim=-1)

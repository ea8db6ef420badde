# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents as a linear function of a small picture: for the coarse phase of the geometry.

Early steps move the head as a whole, and for them small normal maps serve as latents (Chen et al.,
"Fantasia3D", ICCV 2023, section 3.2, which takes the normals themselves). Here each latent cell is
the weighted sum of the pixels around it that comes nearest to what the autoencoder says of the
template's own normals. Neither the autoencoder nor a full-size picture is needed then.

Measured with the compact prior, a head other than the template, 16 views: the gradient on the
template's identity coefficients agrees with the full encoder's to a cosine of 0.996, on single
vertices to 0.70 (with pictures of half that size 0.991 and 0.50). So fine detail waits for the
encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

CELL = 4  # pixels of the small picture along a latent cell
REACH = 3  # cells along the square of pixels that a latent cell is a sum of
RIDGE = 1e-3  # of the mean diagonal of the normal equations


@dataclass(frozen=True)
class LinearEncoder:
    """Pictures (B,3,CELL h,CELL w) in [0,1] to latents (B,C,h,w), differentiable."""

    weight: Tensor  # (C, 3, REACH CELL, REACH CELL)
    bias: Tensor  # (C,)

    def encode(self, pictures: Tensor) -> Tensor:
        """The latents, float32."""
        return functional.conv2d(_framed(pictures - 1), self.weight, self.bias, CELL)


def fit_linear_encoder(encode: Callable[[Tensor], Tensor], pictures: Tensor) -> LinearEncoder:
    """Least squares over all cells of pictures (N,3,H,W) in [0,1].

    encode: pictures to latents (N,C,h,w), H and W being the same multiple of h and w.
    """
    with torch.no_grad():
        latents = encode(pictures).double()
    side = latents.shape[-1] * CELL
    small = functional.interpolate(pictures, size=(side, side), mode="area")
    patches = functional.unfold(_framed(small - 1), REACH * CELL, stride=CELL)
    rows = patches.movedim(1, 2).flatten(0, 1).double()
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
    normal = rows.T @ rows
    normal += RIDGE * normal.diagonal().mean() * torch.eye(len(normal)).to(normal)
    found = torch.linalg.solve(normal, rows.T @ latents.movedim(1, -1).flatten(0, 2)).float()
    size = REACH * CELL
    return LinearEncoder(found[:-1].T.reshape(-1, 3, size, size).contiguous(), found[-1])


def _framed(pictures: Tensor) -> Tensor:
    """A border of white, which is zero here, as around a head."""
    return functional.pad(pictures, ((REACH - 1) // 2 * CELL,) * 4)

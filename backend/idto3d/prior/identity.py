# SPDX-License-Identifier: GPL-3.0-or-later
"""From face embeddings to identity tokens: N embeddings side by side through a 2-layer MLP."""

import torch
import torch.nn.functional as F
from torch import nn


def arrange_photos(embeddings: torch.Tensor, photos: int) -> torch.Tensor:
    """Embeddings (N, D) of one person -> (photos, D), unit length.

    Fewer than `photos` are repeated in turn; more are averaged in `photos` groups, so that each
    photo counts.
    """
    units = F.normalize(embeddings, dim=-1)
    count = len(units)
    if count <= photos:
        return units[torch.arange(photos, device=units.device) % count]
    groups = [units[start::photos].mean(dim=0) for start in range(photos)]
    return F.normalize(torch.stack(groups), dim=-1)


class IdentityProjector(nn.Module):
    """(B, photos, D) unit embeddings -> (B, tokens, width) identity tokens.

    `mean` (D,) and `scale` () standardise the embeddings over the training people: faces differ
    little in raw cosine, so without it the network would see nearly the same vector for everybody.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, dimension: int, photos: int, hidden: int, tokens: int, width: int) -> None:
        super().__init__()
        self.photos, self.tokens = photos, tokens
        self.hidden = nn.Linear(dimension * photos, hidden)
        self.output = nn.Linear(hidden, tokens * width)
        self.norm = nn.LayerNorm(width)
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        standard = (embeddings - self.mean) / self.scale
        output = self.output(F.gelu(self.hidden(standard.flatten(1))))
        return self.norm(output.unflatten(-1, (self.tokens, -1)))

    @torch.no_grad()
    def standardise_with(self, embeddings: torch.Tensor) -> None:
        """Take mean and scale from the training people's embeddings (..., D)."""
        units = F.normalize(embeddings, dim=-1).flatten(0, -2)
        self.mean.copy_(units.mean(dim=0))
        self.scale.copy_((units - self.mean).square().mean().sqrt())

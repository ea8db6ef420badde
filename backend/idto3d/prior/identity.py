# SPDX-License-Identifier: GPL-3.0-or-later
"""From face embeddings to identity tokens through a 2-layer MLP, in one of two readings.

"together": N embeddings side by side are one input; nobody is tokens of zeros. Ours.
"each": every embedding alone yields tokens, which lie side by side; nobody is what the MLP says of
an embedding of zeros. IP-Adapter-FaceID's (Ye et al. 2023), whose MLP has the same layers.
"""

import torch
import torch.nn.functional as F
from torch import nn


def arrange_photos(embeddings: torch.Tensor, photos: int, repeat: bool = True) -> torch.Tensor:
    """Embeddings (N, D) of one person -> (photos, D), unit length.

    Fewer than `photos` are repeated in turn, or left as they are without `repeat`; more are
    averaged in `photos` groups, so that each photo counts.
    """
    units = F.normalize(embeddings, dim=-1)
    count = len(units)
    if count <= photos and not repeat:
        return units
    if count <= photos:
        return units[torch.arange(photos, device=units.device) % count]
    groups = [units[start::photos].mean(dim=0) for start in range(photos)]
    return F.normalize(torch.stack(groups), dim=-1)


class IdentityProjector(nn.Module):
    """(B, N, D) unit embeddings -> (B, tokens, width) identity tokens read together, or
    (B, N tokens, width) read each. N is `photos`, or any number when read each.

    `mean` (D,) and `scale` () standardise the embeddings over the training people: faces differ
    little in raw cosine, so without it the network would see nearly the same vector for everybody.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        dimension: int,
        photos: int,
        hidden: int,
        tokens: int,
        width: int,
        reading: str = "together",
    ) -> None:
        super().__init__()
        self.photos, self.tokens, self.reading = photos, tokens, reading
        self.hidden = nn.Linear(dimension * (photos if reading == "together" else 1), hidden)
        self.output = nn.Linear(hidden, tokens * width)
        self.norm = nn.LayerNorm(width)
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        standard = (embeddings - self.mean) / self.scale
        if self.reading == "together":
            standard = standard.flatten(1)
        output = self.output(F.gelu(self.hidden(standard)))
        tokens = self.norm(output.unflatten(-1, (self.tokens, -1)))
        return tokens if self.reading == "together" else tokens.flatten(1, 2)

    def person(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Any number of one person's embeddings (N, D) -> (1, T, width)."""
        arranged = arrange_photos(embeddings, self.photos, repeat=self.reading == "together")
        return self(arranged[None].to(self.hidden.weight.dtype))

    def nobody(self) -> torch.Tensor | None:
        """(1, tokens, width) that stand for no identity; None where zeros do."""
        if self.reading == "together":
            return None
        return self(torch.zeros_like(self.mean).expand(1, 1, -1))

    @torch.no_grad()
    def standardise_with(self, embeddings: torch.Tensor) -> None:
        """Take mean and scale from the training people's embeddings (..., D)."""
        units = F.normalize(embeddings, dim=-1).flatten(0, -2)
        self.mean.copy_(units.mean(dim=0))
        self.scale.copy_((units - self.mean).square().mean().sqrt())

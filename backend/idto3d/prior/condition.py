# SPDX-License-Identifier: GPL-3.0-or-later
"""What a denoiser is told: text, identity and expression, each as its own tokens."""

from dataclasses import dataclass

import torch

KIND_OF_DOMAIN = {"photo": "photo", "geometry": "normal", "albedo": "albedo"}
PHRASE_OF_KIND = {"photo": "a photo of", "normal": "a normal map of", "albedo": "an albedo map of"}


def name_kind(caption: str, kind: str) -> str:
    """Put the kind of image ("photo", "normal" or "albedo") before a caption; "" stays ""."""
    return f"{PHRASE_OF_KIND[kind]} {caption}" if caption else ""


@dataclass(frozen=True)
class Condition:
    """Tokens of width C for a batch of B images; None is a modality that is not used at all.

    Tokens that are all zero count as absent too: keys and values have no bias, so they add nothing
    to the attention's output. Classifier-free dropout relies on it.
    """

    text: torch.Tensor  # (B, T, C)
    identity: torch.Tensor | None = None  # (B, I, C)
    expression: torch.Tensor | None = None  # (B, E, C)

    def extra(self) -> dict[str, torch.Tensor]:
        """The tokens beside the text, by modality."""
        named = {"identity": self.identity, "expression": self.expression}
        return {name: tokens for name, tokens in named.items() if tokens is not None}

    def pooled(self) -> torch.Tensor:
        """(B, 2C): the caption as its last token has read it, and the identity tokens' mean."""
        text = self.text[:, -1]
        identity = torch.zeros_like(text) if self.identity is None else self.identity.mean(1)
        return torch.cat([text, identity], dim=-1)


def stack_conditions(conditions: list[Condition]) -> Condition:
    """Join conditions along the batch; a modality that only some have is zero for the others.

    Where one has a multiple of another's tokens, the other's are repeated: attention over a set
    laid out several times is attention over the set.
    """
    text = torch.cat([c.text for c in conditions])
    return Condition(
        text,
        _stack([c.identity for c in conditions], conditions),
        _stack([c.expression for c in conditions], conditions),
    )


def _stack(parts: list[torch.Tensor | None], conditions: list[Condition]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    like = max(present, key=lambda part: part.shape[1])
    return torch.cat(
        [
            like.new_zeros(len(c.text), *like.shape[1:])
            if part is None
            else part.repeat(1, like.shape[1] // part.shape[1], 1)
            for part, c in zip(parts, conditions, strict=True)
        ]
    )

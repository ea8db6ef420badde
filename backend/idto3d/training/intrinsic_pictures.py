# SPDX-License-Identifier: GPL-3.0-or-later
"""Photo-like renders with the normals and the albedo behind them, to learn intrinsic images from.

They are the front views of the prior's training set (`idto3d dataset`), read whole into memory.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from idto3d.identity.intrinsic_images import SIZE
from idto3d.training.spoil import spoil

FURTHEST_YAW = 75.0  # degrees to each side: people look into cameras
# What moves, turns and scales the pictures: uniform to both sides, in degrees, natural logarithm
# and shares of the picture.
TURN, SCALE, SHIFT = 25.0, 0.2, 0.06
# The same for the guess alone: how wrong a fitted pose is.
GUESS = (4.0, 0.05, 0.015)
GUESS_TILT = 4.0  # degrees, a deviation: out of the picture's plane


@dataclass(frozen=True)
class Pictures:
    """N views, uint8 (N,S,S,3) each."""

    photo: np.ndarray
    normal: np.ndarray  # (n + 1) / 2 in camera space on white
    albedo: np.ndarray  # on white
    hint: np.ndarray  # as `normal`, of a template that resembles the person
    person: np.ndarray  # (N,) int32

    def of(self, rows: np.ndarray) -> "Pictures":
        return Pictures(
            self.photo[rows], self.normal[rows], self.albedo[rows], self.hint[rows],
            self.person[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What the network should find; 64 x 64 like its answer."""

    normal: Tensor  # (B,3,64,64) unit
    albedo: Tensor  # (B,3,64,64) sRGB
    on_head: Tensor  # (B,1,64,64) in [0,1]
    known: Tensor  # (B,1,64,64) 1 where normal and albedo are: well inside the outline


def read_pictures(folder: Path, held_out: bool) -> Pictures:
    """The front views of the people who are held out, or of all others."""
    everyone = np.load(folder / "identities.npz", allow_pickle=False)["held_out"]
    parts = []
    for path in sorted(folder.glob("shard-*.npz")):
        shard = np.load(path, allow_pickle=False)
        rows = (np.abs(shard["yaw"]) < FURTHEST_YAW) & (everyone[shard["person"]] == held_out)
        if rows.any():
            kinds = ("photo", "normal", "albedo", "hint", "person")
            parts.append([shard[kind][rows] for kind in kinds])
    return Pictures(*(np.concatenate(kind) for kind in zip(*parts, strict=True)))


def prepare(
    pictures: Pictures, random: np.random.Generator, hard: bool = True
) -> tuple[Tensor, Truth]:
    """The network's input (B,6,128,128) and what it should find.

    hard: turned, moved and spoilt like photos. The guess errs in either case, as fits do.
    """
    photo, normal, albedo, hint = (
        torch.from_numpy(kind).permute(0, 3, 1, 2).float() / 255.0
        for kind in (pictures.photo, pictures.normal, pictures.albedo, pictures.hint)
    )
    on_head = (normal < 0.995).any(dim=1, keepdim=True).float()
    normal, known = _normals(normal)
    guess, inside = _normals(hint)
    count = len(photo)
    guess, _ = moved(guess * inside, Move.draw(count, random, *GUESS))
    guess = _tilted(guess, random)
    layers = torch.cat([photo, albedo * known, known, on_head], dim=1)
    normal = normal * known
    if hard:
        move = Move.draw(count, random, TURN, SCALE, SHIFT, mirrored=True)
        normal, layers = moved(normal, move, layers)
        guess, _ = moved(guess, move)
    chips = layers[:, :3]
    if hard:
        chips = spoil(chips, layers[:, 7:], random)
    pooled = functional.adaptive_avg_pool2d(torch.cat([normal, layers[:, 3:]], dim=1), SIZE)
    share = pooled[:, 6:7]
    joined = torch.cat([chips, guess], dim=1)
    return joined.contiguous(memory_format=torch.channels_last), Truth(
        functional.normalize(pooled[:, :3], dim=1, eps=1e-4),
        pooled[:, 3:6] / share.clamp_min(1e-3),
        pooled[:, 7:],
        (share > 0.99).float(),
    )


def _normals(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Normals (B,3,S,S) of a picture of them, and where (B,1,S,S) they are pure.

    Pixels on the outline mix a normal with the background's white, which is longer.
    """
    normal = 2 * picture - 1
    length = normal.norm(dim=1, keepdim=True)
    return normal, ((length > 0.9) & (length < 1.1)).float()


@dataclass(frozen=True)
class Move:
    """How B pictures are turned, scaled, shifted and mirrored: from the new places to the old."""

    cosine: Tensor  # (B,)
    sine: Tensor  # (B,)
    flip: Tensor  # (B,) -1 or 1
    theta: Tensor  # (B,2,3), `functional.affine_grid`'s

    @staticmethod
    def draw(
        count: int, random: np.random.Generator, turn: float, scale: float, shift: float,
        mirrored: bool = False,
    ) -> "Move":  # fmt: skip
        """Uniform within turn (degrees), scale (logarithm) and shift (share of the picture)."""
        angle = np.radians(random.uniform(-turn, turn, count))
        cosine, sine = np.cos(angle), np.sin(angle)
        flip = np.where(mirrored & (random.random(count) < 0.5), -1.0, 1.0)
        nothing = np.zeros(count)
        theta = np.stack(
            [
                np.stack([cosine * flip, sine * flip, nothing], axis=1),
                np.stack([-sine, cosine, nothing], axis=1),
            ],
            axis=1,
        )
        theta = theta * np.exp(random.uniform(-scale, scale, count))[:, None, None]
        theta[:, :, 2] = random.uniform(-2 * shift, 2 * shift, (count, 2))
        return Move(
            *(torch.from_numpy(values.astype(np.float32)) for values in (cosine, sine, flip, theta))
        )


def moved(normal: Tensor, move: Move, layers: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Normals (B,3,S,S), which turn with the picture, and layers (B,C,S,S), which do not."""
    joined = normal if layers is None else torch.cat([normal, layers], dim=1)
    grid = functional.affine_grid(move.theta, list(joined.shape), align_corners=False)
    joined = functional.grid_sample(joined, grid, padding_mode="border", align_corners=False)
    cosine, sine, flip = (v[:, None, None] for v in (move.cosine, move.sine, move.flip))
    # A picture's x goes right and y down, a normal's y up.
    x, y, z = joined[:, 0], -joined[:, 1], joined[:, 2]
    turned = torch.stack([cosine * flip * x - sine * y, -(sine * flip * x + cosine * y), z], dim=1)
    return turned, joined[:, 3:]


def _tilted(normal: Tensor, random: np.random.Generator) -> Tensor:
    """Normals (B,3,S,S) turned out of the picture's plane by some degrees, as by a wrong pose."""
    axes = np.radians(GUESS_TILT) * random.normal(size=(len(normal), 3))
    turns = Rotation.from_rotvec(axes).as_matrix().astype(np.float32)
    return torch.einsum("bij,bjhw->bihw", torch.from_numpy(turns), normal)

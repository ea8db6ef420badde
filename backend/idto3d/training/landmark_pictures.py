# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of synthetic people with the places of their 68 landmarks, to train on.

A shard holds M pictures (M,S,S,4) uint8 sRGB, the fourth channel 255 on the head and 0 on the
background, and points (M,68,2) float32 pixels, x right and y down, 0 at the first pixel's centre.
"""

import os
from pathlib import Path

import numpy as np
import torch

from idto3d.render.cameras import orbit
from idto3d.render.eight_bits import eight_bits
from idto3d.training.dataset import screen_points
from idto3d.training.people import People, Person
from idto3d.training.views import render_views

SIZE = 160  # pixels, square: the face's chip with room to turn and shift it
YAW, PITCH = 60.0, 25.0  # degrees to each side
VIEWS = 10  # pictures a person
PEOPLE_PER_SHARD = 20
NEUTRAL_SHARE = 0.2
# People smile at cameras, and more widely than the table's expressions: ranges of the weights.
SMILING_SHARE = 0.35
SMILE = {
    "mouthSmile": (0.4, 1.5), "mouthUpperUp": (0.0, 1.0), "cheekSquint": (0.0, 0.8),
    "mouthStretch": (0.0, 0.5), "mouthDimple": (0.0, 0.5), "mouthLowerDown": (0.0, 0.6),
}  # fmt: skip
# Another population than the prior's (DatasetSettings.seed) and the evaluation's (held_out.SEED).
SEED = 52525


def random_expression(table: list[dict], random: np.random.Generator) -> dict[str, float]:
    """ARKit weights: neutral, a smile, or up to two expressions of the table on top of each other.

    table: rows of assets/expressions.json.
    """
    weights: dict[str, float] = {}
    if random.random() < SMILING_SHARE:
        weights["jawOpen"] = float(random.uniform(0.0, 0.35) * (random.random() < 0.7))
        for name, (low, high) in SMILE.items():
            weight = float(random.uniform(low, high))
            weights |= {f"{name}{side}": weight for side in ("Left", "Right")}
        return weights
    if random.random() < NEUTRAL_SHARE:
        return weights
    for amount in (random.uniform(0.2, 1.0), random.uniform(-0.6, 0.6)):
        if amount > 0:
            for name, weight in table[random.integers(len(table))]["arkit"].items():
                weights[name] = min(1.0, weights.get(name, 0.0) + amount * weight)
    return weights


def render_faces(
    person: Person,
    landmarks: np.ndarray,
    count: int,
    size: int,
    random: np.random.Generator,
    table: list[dict],
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count,size,size,4) uint8 of one person, and in them the places (count,68,2) of
    landmarks (68,), vertex indices."""
    # Half of the views are nearly frontal, as photographs are.
    spread = np.where(random.random(count) < 0.5, 0.5, 1.0)
    yaw = torch.from_numpy(random.uniform(-YAW, YAW, count) * spread).float()
    pitch = torch.from_numpy(random.uniform(-PITCH, PITCH, count) * spread).float()
    distance = torch.from_numpy(random.uniform(1.6, 4.0, count)).float()
    width = torch.from_numpy(random.uniform(0.78, 0.95, count)).float()
    target = torch.tensor([0.0, -0.06, 0.06]) + torch.from_numpy(
        random.uniform(-0.03, 0.03, (count, 3))
    )
    angle = torch.rad2deg(2 * torch.atan(width / 2 / distance))
    cameras = orbit(yaw, pitch, distance, target.float(), angle)
    moves = [person.displacement(random_expression(table, random)) for _ in range(count)]
    vertices = torch.from_numpy(np.stack([person.neutral + m for m in moves]).astype(np.float32))
    views = render_views(person, vertices, cameras, size, random)
    on_head = (views.normal < 0.999).any(dim=-1, keepdim=True).float()
    pictures = torch.cat([views.photo, on_head], dim=-1)
    points = screen_points(vertices[:, landmarks], cameras, size)
    return eight_bits(pictures), points.astype(np.float32)


def render_shards(
    folder: Path, people: People, first: int, count: int, table: list[dict], name: str
) -> None:
    """Render people first..first+count to `folder`; finished shards are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for begin in range(first, first + count, PEOPLE_PER_SHARD):
        path = folder / f"{name}-{begin:05d}.npz"
        if path.exists():
            continue
        rows = []
        for index in range(begin, min(begin + PEOPLE_PER_SHARD, first + count)):
            random = np.random.default_rng([SEED, 1, index])
            person = people.person(SEED, index)
            marks = people.template_landmarks(person)
            rows.append(render_faces(person, marks, VIEWS, SIZE, random, table))
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as stream:
            np.savez(
                stream,
                allow_pickle=False,
                pictures=np.concatenate([row[0] for row in rows]),
                points=np.concatenate([row[1] for row in rows]),
            )
        os.replace(temporary, path)
        print(f"{path.name}: {begin + PEOPLE_PER_SHARD - first}/{count} people", flush=True)


def read_shards(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All pictures (N,S,S,4) and points (N,68,2) of the shards that are there."""
    shards = [np.load(path, allow_pickle=False) for path in sorted(folder.glob(f"{name}-*.npz"))]
    return (
        np.concatenate([shard["pictures"] for shard in shards]),
        np.concatenate([shard["points"] for shard in shards]),
    )

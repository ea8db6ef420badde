# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that identity is judged by: of one head by pose, by expression, and from random sides.

Each picture has a light of its own. The faces are cut out by the head's own five points: what is
measured is the head, not the detector.
"""

from collections.abc import Sequence

import numpy as np
import torch

from idto3d.evaluation.identity import PICTURE_SIZE, PICTURES, PITCH, YAW, portrait_cameras
from idto3d.evaluation.judges import Judge, embed_pictures
from idto3d.evaluation.portraits import Head, random_lights, take
from idto3d.render.environment import EnvironmentLight
from idto3d.training.dataset import screen_points

POSES = tuple(range(-60, 61, 15))  # degrees, positive towards the person's left
EXPRESSION_YAWS = (-20.0, 0.0, 20.0)  # degrees, of the pictures of each expression
BACKGROUND = (0.5, 0.5, 0.5)


def portraits(
    head: Head, yaw: Sequence[float], pitch: Sequence[float], light: list[EnvironmentLight]
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (B,S,S,3) uint8 and dlib's five points in them (B,5,2), one for each of B sides."""
    cameras = portrait_cameras(torch.tensor(yaw).float(), torch.tensor(pitch).float())
    pictures = take(head, cameras, light, PICTURE_SIZE, BACKGROUND)
    marks = torch.from_numpy(head.five_points).expand(len(cameras), -1, -1)
    return pictures, screen_points(marks, cameras, PICTURE_SIZE)


def from_random_sides(
    head: Head, environments: list[EnvironmentLight], random: np.random.Generator,
    judges: Sequence[Judge],
) -> dict[str, np.ndarray]:  # fmt: skip
    """(PICTURES,D) embeddings for each judge, of portraits under random lights."""
    generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
    yaw = random.uniform(-YAW, YAW, PICTURES)
    pitch = random.uniform(-PITCH, PITCH, PICTURES)
    light = random_lights(environments, PICTURES, generator)
    return _embedded(judges, *portraits(head, yaw.tolist(), pitch.tolist(), light))


def by_pose(
    head: Head, environments: list[EnvironmentLight], random: np.random.Generator,
    judges: Sequence[Judge],
) -> dict[str, np.ndarray]:  # fmt: skip
    """(len(POSES),D) embeddings for each judge."""
    generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
    light = random_lights(environments, len(POSES), generator)
    return _embedded(judges, *portraits(head, POSES, [0.0] * len(POSES), light))


def by_expression(
    heads: Sequence[Head], environments: list[EnvironmentLight],
    random: np.random.Generator, judges: Sequence[Judge],
) -> dict[str, np.ndarray]:  # fmt: skip
    """(K,len(EXPRESSION_YAWS),D) embeddings for each judge, of K expressions of one head.

    All expressions are seen under the same lights: what differs is the expression alone.
    """
    generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
    count = len(EXPRESSION_YAWS)
    light = random_lights(environments, count, generator)
    parts = [
        _embedded(judges, *portraits(head, EXPRESSION_YAWS, [0.0] * count, light)) for head in heads
    ]
    return {judge.name: np.stack([part[judge.name] for part in parts]) for judge in judges}


def _embedded(
    judges: Sequence[Judge], pictures: np.ndarray, points: np.ndarray
) -> dict[str, np.ndarray]:
    return {judge.name: embed_pictures(judge, pictures, points) for judge in judges}

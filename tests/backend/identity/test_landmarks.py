# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmark network: its geometry, its file, and the shipped one on a head that is known."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, smoothstep
from idto3d.head.template import load_template
from idto3d.identity.landmarks import (
    CHIP_LANDMARKS,
    CHIP_SIZE,
    COUNT,
    MIRROR,
    WEIGHTS,
    LandmarkNet,
    find_landmarks,
    load_network,
    mirror,
    similarity,
)
from idto3d.render.cameras import orbit, transform
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.texture.paint import Look, paint_head

SIZE = 360
FIVE = (45, 42, 36, 39, 33)
EYES = (36, 45)


@cache
def picture(yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """The painted mean head under a soft light (SIZE,SIZE,3) uint8, and its landmarks (68,2)."""
    template = load_template(ASSETS / "template" / "head.npz").subdivided()
    positions, part = template.mean.numpy(), template.part.numpy()
    marks, normals = positions[template.landmarks], vertex_normals(template.mean, template.faces)
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    front = smoothstep(0.0, 0.3, normals[:, 2].numpy())
    look = Look(skin=(0.72, 0.50, 0.39), hair=(0.12, 0.08, 0.06), iris=(0.3, 0.2, 0.1), seed=3)
    albedo = torch.from_numpy(paint_head(positions, marks, part, front, eyes, look).albedo).float()
    light = 0.45 + 0.55 * (normals @ torch.tensor([0.3, 0.5, 0.81])).clamp_min(0.0)
    camera = orbit(yaw, 0.0, 2.6, (0.0, 0.0, 0.03), 23.0)
    clip = transform(template.mean, camera)
    fragments = rasterize(clip, template.faces, SIZE, SIZE)
    pixels = interpolate(albedo * light[:, None], fragments, template.faces)
    pixels = pixels * fragments.mask + 0.4 * (1 - fragments.mask)
    seen = clip[0, template.landmarks]
    points = (seen[:, :2] / seen[:, 3:] * torch.tensor([1.0, -1.0]) + 1) * 0.5 * SIZE - 0.5
    return (pixels[0].clamp(0, 1) * 255).to(torch.uint8).numpy(), points.double().numpy()


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance, in shares of the distance of the outer eye corners of a face seen in front."""
    eyes = 0.248 / 2 / (2.6 * np.tan(np.radians(11.5))) * SIZE  # 8.92 cm
    return float(np.linalg.norm(found - truth, axis=1).mean() / eyes)


def test_similarity_undoes_a_chip() -> None:
    turn = Rotation.from_euler("z", 25, degrees=True).as_matrix()[:2, :2]
    photo = 3.0 * CHIP_LANDMARKS @ turn.T + [120.0, -40.0]
    matrix, shift = similarity(CHIP_LANDMARKS, photo)
    assert np.allclose(matrix, 3.0 * turn) and np.allclose(shift, [120.0, -40.0])


def test_mirror_is_the_template_s_symmetry() -> None:
    template = load_template(ASSETS / "template" / "head.npz")
    marks = template.mean[template.landmarks].numpy()
    assert np.abs(marks[list(MIRROR)] * [-1, 1, 1] - marks).max() < 0.004
    assert np.array_equal(np.array(MIRROR)[list(MIRROR)], np.arange(COUNT))
    points = torch.rand(2, COUNT, 2) * CHIP_SIZE
    assert torch.allclose(mirror(mirror(points)), points, atol=1e-4)


def test_network_s_range() -> None:
    """Every point lies inside the chip, every variance is bounded, whatever the picture."""
    torch.manual_seed(0)
    network = LandmarkNet().eval()
    points, log_variance = network(torch.rand(3, 3, CHIP_SIZE, CHIP_SIZE))
    assert points.shape == (3, COUNT, 2) and log_variance.shape == (3, COUNT)
    assert points.min() > 0 and points.max() < CHIP_SIZE - 1
    assert log_variance.min() >= -3 and log_variance.max() <= 6


@pytest.mark.parametrize("yaw", [0, 25, -35])
def test_finds_a_known_head(yaw: float) -> None:
    pixels, truth = picture(yaw)
    found = find_landmarks(pixels, truth[list(FIVE)])
    assert found.points.shape == (COUNT, 2) and found.deviation.shape == (COUNT,)
    assert error(found.points[17:], truth[17:]) < 0.05
    assert error(found.points[:17], truth[:17]) < 0.12
    # The deviation is of the size of the errors, in the photo's pixels.
    off = np.linalg.norm(found.points - truth, axis=1) / np.sqrt(2)
    assert 0.2 < np.sqrt((off**2).mean()) / np.sqrt((found.deviation**2).mean()) < 3


def test_five_points_with_an_error_are_enough() -> None:
    pixels, truth = picture(0)
    moved = truth[list(FIVE)] + np.random.default_rng(0).normal(0, 2.0, (5, 2))
    assert error(find_landmarks(pixels, moved).points[17:], truth[17:]) < 0.06


def test_points_follow_the_photo() -> None:
    """Half the size and mirrored: half the numbers, sides exchanged."""
    pixels, truth = picture(15)
    whole = find_landmarks(pixels, truth[list(FIVE)])
    half = pixels.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    small = find_landmarks(half, (truth[list(FIVE)] + 0.5) / 2 - 0.5)
    assert error((small.points + 0.5) * 2 - 0.5, whole.points) < 0.02
    assert small.deviation.mean() == pytest.approx(whole.deviation.mean() / 2, rel=0.2)
    exchanged = truth[list(MIRROR)] * [-1, 1] + [SIZE - 1, 0]
    other = find_landmarks(np.ascontiguousarray(pixels[:, ::-1]), exchanged[list(FIVE)])
    assert error(other.points[list(MIRROR)] * [-1, 1] + [SIZE - 1, 0], whole.points) < 0.03


def test_hidden_parts_are_less_sure() -> None:
    pixels, truth = picture(0)
    covered = pixels.copy()
    covered[int(truth[33, 1]) :] = 90  # all below the nose
    plain, hidden = (find_landmarks(p, truth[list(FIVE)]) for p in (pixels, covered))
    assert hidden.deviation[48:].mean() > 1.5 * plain.deviation[48:].mean()


def test_file(tmp_path: Path) -> None:
    assert WEIGHTS.stat().st_size < 1_500_000
    with pytest.raises(UserError, match="Restore it"):
        load_network(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(UserError, match="Restore it"):
        load_network(broken)
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, other)
    with pytest.raises(UserError, match="Restore it"):
        load_network(other)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of intrinsic images: its geometry, its file, and the shipped one on a known head."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.head.photo_pose import DISTANCE, PhotoPose
from idto3d.head.photo_view import head_and_face, normals_seen
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, smoothstep
from idto3d.head.template import Template, load_template
from idto3d.identity.intrinsic_images import (
    CHIP_SIZE,
    SIZE,
    WEIGHTS,
    IntrinsicImages,
    IntrinsicNet,
    Seen,
    Square,
    cut,
    find_intrinsic_images,
    load_network,
    mirror,
    together,
)
from idto3d.render.cameras import orbit, transform
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterize import interpolate, rasterize
from idto3d.texture.paint import Look, paint_head

PHOTO = 360
SKIN = (0.72, 0.50, 0.39)


def ramp(square: Square) -> IntrinsicImages:
    """An answer whose albedo is the place in the square, from 0 to 1 to the right and down."""
    middle = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
    across, down = np.meshgrid(middle, middle)
    plain = np.ones((SIZE, SIZE), np.float32)
    normal = np.stack([0 * plain, 0 * plain, plain], axis=-1)
    albedo = np.stack([across, down, 0 * plain], axis=-1)
    return IntrinsicImages(square, normal, 0.1 * plain, albedo, plain)


def test_values_lie_where_the_square_is() -> None:
    square = Square(np.array([100.0, 60.0]), 40.0)
    found = ramp(square).at(np.array([[100.0, 60.0], [110.0, 50.0], [130.0, 60.0]]))
    assert np.allclose(found.albedo[:2, :2], [[0.5, 0.5], [0.75, 0.25]], atol=1e-5)
    assert np.isinf(found.variance).tolist() == [False, False, True]
    # A photo averaged in blocks of 2 x 2 has the same content at half the place.
    small = (
        ramp(square).reduced(2).at(np.array([[(110.0 + 0.5) / 2 - 0.5, (50.0 + 0.5) / 2 - 0.5]]))
    )
    assert np.allclose(small.albedo[0, :2], [0.75, 0.25], atol=1e-5)


def test_the_surer_square_decides() -> None:
    def seen(x: float, variance: float) -> Seen:
        normal = np.array([[x, 0.0, np.sqrt(1 - x * x)]])
        return Seen(normal, np.array([variance]), np.full((1, 3), x), np.array([x]))

    both = together([seen(0.0, 0.001), seen(0.6, 1.0)])
    assert both.normal[0, 0] < 0.01 and both.albedo.max() < 0.01
    assert both.variance[0] == pytest.approx(0.001)
    outside = together([seen(0.6, 0.5), seen(0.0, np.inf)])
    assert outside.normal[0, 0] == pytest.approx(0.6)
    assert np.isinf(together([seen(0.6, np.inf)]).variance).all()


def test_chip_of_a_square() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:150, 100:200] = 200
    inside = cut(image, Square(np.array([149.5, 99.5]), 100.0))
    assert inside.shape == (CHIP_SIZE, CHIP_SIZE, 3)
    assert inside[4:-4, 4:-4].min() > 195
    around = cut(image, Square(np.array([149.5, 99.5]), 200.0))
    assert around[30:98, 30:98].mean() > 170 and around[:24].max() == 0
    # Beyond the photo its edge goes on.
    image[:, -1] = 90
    beyond = cut(image, Square(np.array([420.0, 100.0]), 100.0))
    assert (beyond == 90).all()


def test_chip_of_a_large_photo_is_the_small_one_s() -> None:
    random = np.random.default_rng(1)
    small_photo = np.kron(random.integers(0, 255, (12, 15, 3)), np.ones((10, 10, 1)))
    large = np.kron(small_photo, np.ones((8, 8, 1))).astype(np.uint8)
    square = Square(np.array([70.0, 60.0]), 90.0)
    grown = Square((square.centre + 0.5) * 8 - 0.5, square.side * 8)
    one, other = cut(small_photo.astype(np.uint8), square), cut(large, grown)
    assert np.abs(one.astype(float) - other).mean() < 4


def test_mirroring_twice_is_nothing() -> None:
    images = torch.randn(2, 8, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(mirror(mirror(images)), images)
    assert torch.equal(mirror(images)[:, 0], -images[:, 0].flip(-1))


def test_answer_of_the_network() -> None:
    torch.manual_seed(2)
    answer = IntrinsicNet().eval()(torch.rand(2, 6, CHIP_SIZE, CHIP_SIZE))
    assert answer.shape == (2, 8, SIZE, SIZE)
    assert torch.allclose(answer[:, :3].norm(dim=1), torch.ones(2, SIZE, SIZE), atol=1e-3)
    assert answer[:, 4:7].min() >= 0 and answer[:, 4:7].max() <= 1


def test_missing_and_damaged_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Restore it"):
        load_network(tmp_path / "missing.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    with pytest.raises(UserError, match="intrinsic images"):
        load_network(broken)
    save_file({"stem": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="can't be read"):
        load_network(tmp_path / "other.safetensors")


def test_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 5_000_000


@cache
def sitter() -> tuple[Template, np.ndarray]:
    """A head with fuller cheeks and a larger nose than the template's, and its positions."""
    template = load_template(ASSETS / "template" / "head.npz").subdivided()
    random = np.random.default_rng(8)
    person = torch.from_numpy(random.normal(size=len(template.identity_basis)).astype(np.float32))
    return template, template.neutral(1.2 * person).numpy()


@cache
def photo(yaw: float, side: float) -> tuple[np.ndarray, PhotoPose]:
    """The sitter under light from one side (-1 .. 1), on grey, and the pose."""
    template, positions = sitter()
    normals = vertex_normals(torch.from_numpy(positions), template.faces)
    marks, part = positions[template.landmarks], template.part.numpy()
    eyes = np.stack([positions[part == code].mean(axis=0) for code in (LEFT_EYE, RIGHT_EYE)])
    front = smoothstep(0.0, 0.3, normals[:, 2].numpy())
    look = Look(skin=SKIN, hair=(0.12, 0.08, 0.06), iris=(0.3, 0.2, 0.1), seed=3)
    albedo = torch.from_numpy(paint_head(positions, marks, part, front, eyes, look).albedo).float()
    camera = orbit(yaw, 0.0, DISTANCE, (0.0, 0.0, 0.0), 23.0)
    rotation = camera.view[0, :3, :3]
    towards = torch.nn.functional.normalize(torch.tensor([side, 0.4, 0.8]), dim=0)
    light = 0.4 + 0.7 * (normals @ rotation.T @ towards).clamp_min(0.0)
    clip = transform(torch.from_numpy(positions), camera)
    fragments = rasterize(clip, template.faces, PHOTO, PHOTO)
    pixels = interpolate(albedo * light[:, None], fragments, template.faces)
    pixels = pixels * fragments.mask + 0.4 * (1 - fragments.mask)
    image = (pixels[0].clamp(0, 1) * 255).to(torch.uint8).numpy()
    focal = PHOTO / 2 / np.tan(np.radians(23.0) / 2) / DISTANCE
    middle = np.full(2, (PHOTO - 1) / 2)
    return image, PhotoPose(rotation.double().numpy(), focal, middle, 0.0)


def look(yaw: float, side: float) -> tuple[list[IntrinsicImages], list[np.ndarray]]:
    """What the network finds with the mean head as the guess, and the guesses."""
    template, _ = sitter()
    image, pose = photo(yaw, side)
    squares = head_and_face(pose)
    mean = template.mean.double().numpy()
    guesses = [normals_seen(pose, mean, template.faces, each, CHIP_SIZE) for each in squares]
    return find_intrinsic_images(image, squares, guesses), guesses


def degrees(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    cosine = (found * truth).sum(axis=-1)[where]
    return float(np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1)))))


def small(image: np.ndarray) -> np.ndarray:
    """(128,128,3) normals to the network's 64 x 64."""
    mean = image.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3))
    return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-6)


@pytest.mark.parametrize("yaw", [0.0, 35.0])
def test_normals_are_nearer_to_the_truth_than_the_guess(yaw: float) -> None:
    """Of the face; the scalp's painted hair has no volume here, as it would in a photo."""
    template, positions = sitter()
    found, guesses = look(yaw, 0.5)
    answer, guess = found[1], small(guesses[1])
    pose = photo(yaw, 0.5)[1]
    truth = normals_seen(pose, positions.astype(float), template.faces, answer.square, CHIP_SIZE)
    truth = small(truth)
    both = (np.linalg.norm(truth, axis=-1) > 0.99) & (np.linalg.norm(guess, axis=-1) > 0.99)
    assert degrees(answer.normal, truth, both) < 0.85 * degrees(guess, truth, both)


def test_the_head_is_told_from_the_background() -> None:
    template, positions = sitter()
    answer, pose = look(0.0, 0.5)[0][0], photo(0.0, 0.5)[1]
    truth = normals_seen(pose, positions.astype(float), template.faces, answer.square, CHIP_SIZE)
    inside = np.linalg.norm(small(truth), axis=-1) > 0.5
    assert ((answer.on_head > 0.5) == inside).mean() > 0.95


def test_albedo_hardly_follows_the_light() -> None:
    lit = [look(0.0, side)[0][1] for side in (-1.0, 1.0)]
    images = [photo(0.0, side)[0] for side in (-1.0, 1.0)]
    pose = photo(0.0, 1.0)[1]
    # Left and right cheek: beside the nose, away from eyes and mouth.
    template, positions = sitter()
    cheeks = positions[template.landmarks[[31, 35]]] * [2.6, 1.0, 0.9] + [0.0, 0.03, 0.0]
    points = pose.project(cheeks)[:, :2]
    column, row = np.round(points).astype(int).T

    def change(values: list[np.ndarray]) -> float:
        """How far the sides' relation moves with the light, in logarithms."""
        return float(np.abs(np.diff([np.log(v[0] / v[1]).mean() for v in values])).max())

    pictures = [image[row, column].astype(float) + 1 for image in images]
    assert change([each.at(points).albedo for each in lit]) < 0.35 * change(pictures)
    skin = np.mean([each.at(points).albedo for each in lit], axis=(0, 1))
    assert np.abs(skin - SKIN).max() < 0.15


def test_a_mirrored_photo_has_mirrored_images() -> None:
    template, _ = sitter()
    image, pose = photo(0.0, 0.5)
    squares = head_and_face(pose)
    mean = template.mean.double().numpy()
    guesses = [normals_seen(pose, mean, template.faces, each, CHIP_SIZE) for each in squares]
    flipped = [guess[:, ::-1] * np.array([-1, 1, 1], np.float32) for guess in guesses]
    mirrored = [Square(np.array([PHOTO - 1 - s.centre[0], s.centre[1]]), s.side) for s in squares]
    one = find_intrinsic_images(image, squares, guesses)[0]
    other = find_intrinsic_images(
        np.ascontiguousarray(image[:, ::-1]), mirrored, [np.ascontiguousarray(f) for f in flipped]
    )[0]
    assert np.abs(one.albedo - other.albedo[:, ::-1]).mean() < 0.01
    assert np.abs(one.normal - other.normal[:, ::-1] * [-1, 1, 1]).mean() < 0.02


def test_the_pose_of_this_file_is_the_camera_s() -> None:
    """The pictures above and `PhotoPose` agree on where a point lies."""
    _, pose = photo(35.0, 0.5)
    assert Rotation.from_matrix(pose.rotation).magnitude() == pytest.approx(
        np.radians(35), rel=1e-3
    )
    camera = orbit(35.0, 0.0, DISTANCE, (0.0, 0.0, 0.0), 23.0)
    point = torch.tensor([[0.1, -0.05, 0.2]])
    clip = transform(point, camera)[0, 0].numpy()
    pixel = (clip[:2] / clip[3] * [1, -1] + 1) / 2 * PHOTO - 0.5
    assert np.allclose(pose.project(point.double().numpy())[0, :2], pixel, atol=0.01)

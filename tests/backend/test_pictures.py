# SPDX-License-Identifier: GPL-3.0-or-later
"""The finished surface as a file, and the pictures of the work in progress."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idto3d.errors import UserError
from idto3d.pictures import PROGRESS_SIZE, Finished, write_progress
from tests.backend.asset.fake_head import EXPRESSIONS, fake_head


@pytest.fixture(scope="module")
def finished() -> Finished:
    mesh = fake_head(24, 36)
    materials = torch.rand(
        3, len(mesh.canonical), 5, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    return Finished.of(mesh, EXPRESSIONS, materials)


def test_finished_comes_back(finished: Finished, tmp_path: Path) -> None:
    finished.save(tmp_path / "surface.npz")
    read = Finished.load(tmp_path / "surface.npz")
    assert read.expressions == finished.expressions
    assert np.array_equal(read.canonical, finished.canonical)
    assert np.array_equal(read.faces, finished.faces) and read.faces.dtype == np.int64
    # Half precision: 0.02 mm on a displacement of 5 cm, a tenth of a byte in a colour.
    assert np.allclose(read.poses, finished.poses, atol=1e-4)
    assert np.allclose(read.materials, finished.materials, atol=5e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["surface.npz"]


def test_damaged_finished(finished: Finished, tmp_path: Path) -> None:
    path = tmp_path / "surface.npz"
    with pytest.raises(UserError, match="idto3d resume"):
        Finished.load(path)
    finished.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="idto3d resume"):
        Finished.load(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(UserError, match="idto3d resume"):
        Finished.load(path)


def test_progress_picture(finished: Finished, tmp_path: Path) -> None:
    poses, faces = torch.from_numpy(finished.poses), torch.from_numpy(finished.faces)
    red = torch.tensor([0.8, 0.2, 0.1]).expand(poses.shape[1], 3)
    write_progress(tmp_path / "shapes.png", poses, faces, None)
    write_progress(tmp_path / "colours.png", poses, faces, red)
    shapes = np.asarray(Image.open(tmp_path / "shapes.png"))
    colours = np.asarray(Image.open(tmp_path / "colours.png"))
    size = PROGRESS_SIZE
    assert shapes.shape == (size, 5 * size, 3) and colours.shape == (2 * size, 5 * size, 3)
    assert np.array_equal(colours[:size], shapes)
    assert (shapes[0, 0] == 255).all()
    # From the front the middle of the face looks at the camera: its normal is blue.
    assert shapes[size // 2, size // 2, 2] > 230
    assert np.abs(colours[size + size // 2, size // 2] - [204, 51, 25]).max() <= 1
    # The mouth opens in the last view and not in the first.
    neutral, open_mouth = shapes[:, :size], shapes[:, 4 * size :]
    assert (open_mouth != 255).any(2).sum() > (neutral != 255).any(2).sum()

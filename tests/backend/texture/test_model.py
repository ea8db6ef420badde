# SPDX-License-Identifier: GPL-3.0-or-later
"""The materials of one head: their start, their pictures, their penalty, what the baker reads."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from idto3d.render.cameras import Cameras, orbit
from idto3d.settings import TextureSettings
from idto3d.texture.first_colours import FirstColours
from idto3d.texture.layers import Places
from idto3d.texture.material_field import ALBEDO, MARGIN, METALLIC, ROUGHNESS
from idto3d.texture.model import TextureModel
from idto3d.texture.paint import Look
from tests.backend.asset.fake_head import fake_head

SETTINGS = TextureSettings(environments=2, lit_share=0.0)
SIZE = 32
MESH = fake_head(24, 36)
LOOK = Look(skin=(0.8, 0.6, 0.5), hair=(0.1, 0.1, 0.1), iris=(0.3, 0.2, 0.1))


@dataclass(frozen=True)
class Plain:
    """Colours that lie on the vertices alone."""

    vertices: np.ndarray  # (V,3)

    def albedo(self, places: Places) -> np.ndarray:
        return places.between(self.vertices)


def make_model(settings: TextureSettings = SETTINGS, seen: float = 0.0) -> TextureModel:
    canonical = torch.from_numpy(MESH.canonical)
    albedo = np.clip(MESH.canonical * [1.0, 0.5, 0.5] + 0.5, 0.1, 0.9)
    count = len(albedo)
    rough, trusted = np.full(count, 0.6), np.full(count, seen)
    colours = FirstColours(albedo, rough, trusted, LOOK, Plain(albedo))
    poses = canonical + torch.from_numpy(MESH.displacement)
    return TextureModel(
        canonical,
        poses,
        torch.from_numpy(MESH.faces),
        colours,
        settings,
        torch.Generator().manual_seed(0),
    )


def wake(model: TextureModel, spread: float = 0.3) -> None:
    """Give the field's last layer weights, so that it says something."""
    torch.nn.init.normal_(
        model.field.last.weight, std=spread, generator=torch.Generator().manual_seed(1)
    )


@pytest.fixture(scope="module")
def cameras() -> Cameras:
    return orbit(torch.tensor([0.0, 60.0, 180.0]), 0.0)


def render(
    model: TextureModel, cameras: Cameras, albedo_only: bool = True, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = torch.tensor([0, 2, 0])
    generator = torch.Generator().manual_seed(seed)
    return model.render(cameras, chosen, SIZE, generator, albedo_only)


@torch.no_grad()
def test_starts_at_the_first_colours(cameras: Cameras) -> None:
    model = make_model()
    materials = model.vertex_materials()
    assert materials.shape == (3, len(MESH.canonical), 5)
    assert torch.allclose(materials[..., :4], model.base[:, :4].expand(3, -1, -1), atol=1e-5)
    assert torch.allclose(materials[..., METALLIC], torch.tensor(MARGIN), atol=1e-6)
    pictures, change = render(model, cameras)
    assert float(change) < 1e-9
    assert pictures.shape == (3, SIZE, SIZE, 3)
    assert (pictures[:, 0, 0] == 1).all()  # on white
    # A colour is the position: front and back, one of them mirrored, differ in blue alone.
    front, back = pictures[0, 16], pictures[2, 16].flip(0)
    assert torch.allclose(front[:, :2], back[:, :2], atol=0.02)
    assert front[16, 2] > back[16, 2] + 0.2
    red = front[8:24, 0]
    assert (red.diff() > 0).all()  # the person's left is on the picture's right
    assert abs(float(red.mean()) - 0.5) < 0.02


@torch.no_grad()
def test_material_for_the_baker_is_the_vertices_own() -> None:
    model = make_model()
    wake(model)
    wanted = model.vertex_materials()[0]
    assert (wanted - model.base).abs().max() > 0.02
    points = torch.from_numpy(MESH.canonical)
    assert torch.allclose(model.material(points), wanted, atol=2e-5)
    # Between them, too: the middle of a face is near the mean of its corners.
    corners = torch.from_numpy(MESH.faces)[:200]
    middle = model.material(points[corners].mean(dim=1))
    assert (middle - wanted[corners].mean(dim=1)).abs().mean() < 0.02


@torch.no_grad()
def test_first_stage_holds_roughness_and_metallic(cameras: Cameras) -> None:
    model = make_model(dataclasses.replace(SETTINGS, lit_share=1.0))
    before, _ = render(model, cameras)
    model.field.last.bias[ROUGHNESS] = -3.0  # wet
    model.field.last.bias[METALLIC] = 4.0
    held, change = render(model, cameras)
    assert torch.equal(held, before) and float(change) < 1e-9
    shown, change = render(model, cameras, albedo_only=False)
    assert (shown - before).abs().max() > 0.05 and float(change) > 0.1


@torch.no_grad()
def test_light_is_random_and_seeded(cameras: Cameras) -> None:
    plain, _ = render(make_model(), cameras)
    lit_model = make_model(dataclasses.replace(SETTINGS, lit_share=1.0))
    lit, _ = render(lit_model, cameras)
    assert lit.isfinite().all() and lit.min() >= 0 and lit.max() <= 1
    assert (lit - plain).abs().mean() > 0.01
    assert torch.equal(lit, render(lit_model, cameras)[0])
    assert not torch.allclose(lit, render(lit_model, cameras, seed=5)[0], atol=0.01)
    outside = (plain == 1).all(dim=-1)
    assert outside.any() and (lit[outside] == 1).all()  # white is never lit


@torch.no_grad()
def test_light_can_be_fixed(cameras: Cameras) -> None:
    fixed = dataclasses.replace(SETTINGS, lit_share=1.0, environments=1, light_spread=0.0)
    model = make_model(fixed)
    one, other = (render(model, cameras, seed=seed)[0] for seed in (0, 5))
    assert torch.allclose(one, other, atol=1e-4)


@torch.no_grad()
def test_change_costs_more_where_photos_vouch(cameras: Cameras) -> None:
    costs = []
    for seen in (0.0, 1.0):
        model = make_model(seen=seen)
        model.field.last.bias[ALBEDO] = 0.5
        costs.append(float(render(model, cameras)[1]))
    ratio = (SETTINGS.smoothness + SETTINGS.photo_weight) / SETTINGS.smoothness
    assert costs[0] > 0 and costs[1] == pytest.approx(ratio * costs[0], rel=1e-3)


def test_gradients(cameras: Cameras) -> None:
    model = make_model(dataclasses.replace(SETTINGS, lit_share=1.0))
    wake(model)
    pictures, change = render(model, cameras, albedo_only=False)
    (pictures.square().mean() + change).backward()
    for name, parameter in model.field.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_learns_a_colour_from_pictures(cameras: Cameras) -> None:
    """Pictures of a green head make it green, as far as they show it."""
    model = make_model(dataclasses.replace(SETTINGS, smoothness=0.0, photo_weight=0.0))
    optimizer = torch.optim.Adam(model.parameter_groups())
    with torch.no_grad():
        first, _ = render(model, cameras)
        mask = (first < 1).any(dim=-1, keepdim=True).float()
    green = torch.tensor([0.2, 0.7, 0.3])
    losses = []
    for _ in range(25):
        pictures, _ = render(model, cameras)
        loss = ((pictures - green).square() * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_checkpoint_comes_back() -> None:
    model = make_model()
    wake(model)
    again = make_model()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.vertex_materials(), model.vertex_materials())

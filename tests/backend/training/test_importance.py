# SPDX-License-Identifier: GPL-3.0-or-later
"""The weight of the diffusion loss: on the features, in every view that shows them."""

import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.head.template import EYE_LEFT, LIPS_INNER, Template, load_template
from idto3d.render.cameras import orbit
from idto3d.training.dataset import screen_points
from idto3d.training.importance import WEIGHT, loss_weight

SIZE, CELLS = 128, 16


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


def _marks(template: Template, yaw: list[float]) -> torch.Tensor:
    cameras = orbit(torch.tensor(yaw), 0.0, 2.6, (0.0, 0.0, 0.05), 19.0)
    points = template.mean[template.landmarks].expand(len(yaw), -1, -1)
    return torch.from_numpy(screen_points(points, cameras, SIZE))


@pytest.mark.parametrize("part", [EYE_LEFT, LIPS_INNER])
def test_cells_of_features_count_more(template: Template, part: slice) -> None:
    yaw = [0.0, 45.0, -45.0]
    marks = _marks(template, yaw)
    weight = loss_weight(marks, torch.tensor(yaw), SIZE, CELLS)
    assert weight.shape == (3, 1, CELLS, CELLS)
    assert torch.allclose(weight.mean(dim=(1, 2, 3)), torch.ones(3))
    corner = weight[:, 0, 0, 0]
    for row, points in enumerate(marks):
        x, y = (points[part].mean(dim=0) / (SIZE / CELLS)).long().tolist()
        assert weight[row, 0, y, x] > 0.6 * WEIGHT * corner[row]
    # The crown and the neck are not features.
    assert (weight[:, 0, 1] < 1.01 * corner[:, None]).all()
    assert (weight[:, 0, -1] < 1.3 * corner[:, None]).all()


def test_a_head_seen_from_behind_is_weighted_evenly(template: Template) -> None:
    yaw = [120.0, 180.0, -110.0]
    weight = loss_weight(_marks(template, yaw), torch.tensor(yaw), SIZE, CELLS)
    assert torch.equal(weight, torch.ones_like(weight))


def test_features_weigh_less_and_less_as_the_head_turns_away(template: Template) -> None:
    yaw = [70.0, 80.0, 90.0]
    weight = loss_weight(_marks(template, yaw), torch.tensor(yaw), SIZE, CELLS)
    contrast = weight.amax(dim=(1, 2, 3)) / weight.amin(dim=(1, 2, 3))
    assert contrast[0] > contrast[1] > contrast[2] > 1

# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished head stands where its surface was, in its own colours."""

import numpy as np
import pytest

pytest.importorskip("anny")

from idto3d.errors import UserError  # noqa: E402
from idto3d.evaluation.finished_head import FinishedHead, finished_heads  # noqa: E402
from idto3d.evaluation.portraits import PaintedHead, even_light, take, true_head  # noqa: E402
from idto3d.pictures import Finished  # noqa: E402
from idto3d.render.cameras import orbit  # noqa: E402
from tests.backend.evaluation.toy_asset import write_toy_asset  # noqa: E402
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402

PEOPLE = ToyPeople()


@pytest.fixture(scope="module")
def painted() -> PaintedHead:
    return true_head(PEOPLE.person(5, 0))


@pytest.fixture(scope="module")
def heads(painted: PaintedHead, tmp_path_factory: pytest.TempPathFactory) -> list[FinishedHead]:
    folder = tmp_path_factory.mktemp("result")
    opened = PEOPLE.fine.expression({"jawOpen": 1.0}).numpy()
    moved = np.stack([np.zeros_like(opened), opened])
    materials = np.stack([painted.materials] * 2)
    finished = Finished(("neutral", "jaw_open"), painted.vertices, moved, painted.faces, materials)
    write_toy_asset(folder, finished, PEOPLE.template.faces.numpy())
    return finished_heads(folder, Finished.load(folder / "surface.npz"), PEOPLE.fine)


def test_it_looks_as_its_surface_did(painted: PaintedHead, heads: list[FinishedHead]) -> None:
    """Same place, same colours but for coarse spots; occlusion is the asset's own (none here)."""
    open_sky = PaintedHead(
        painted.vertices, painted.faces, painted.materials,
        np.ones_like(painted.occlusion), painted.marks,
    )  # fmt: skip
    camera, light = orbit(20.0, 0.0), [even_light()]
    a, b = (take(head, camera, light, 96)[0].astype(float) for head in (open_sky, heads[0]))
    assert np.abs(a - b).mean() < 4
    shifted = take(open_sky, orbit(20.0, 0.0, target=(0.02, 0.0, 0.0)), light, 96)[0]
    assert np.abs(a - shifted).mean() > 2 * np.abs(a - b).mean()


def test_points_are_those_of_each_expression(
    painted: PaintedHead, heads: list[FinishedHead]
) -> None:
    np.testing.assert_allclose(heads[0].five_points, painted.five_points, atol=2e-4)
    assert len(heads) == 2 and heads[1].pose == 1
    seen, opened = (head.see(orbit(90.0, 0.0), 64) for head in heads)
    assert float(opened.position[:, 1].min()) < float(seen.position[:, 1].min()) + 1e-3
    assert int((opened.inside != seen.inside).sum()) > 5


def test_colours_are_found_at_points(painted: PaintedHead, heads: list[FinishedHead]) -> None:
    random = np.random.default_rng(0)
    points = painted.vertices[random.permutation(len(painted.vertices))[:500]]
    found = heads[0].colours(points, np.full(500, 1e-5))
    wanted = true_colours(painted, points)
    assert np.median(np.abs(found - wanted)) < 0.02
    assert found.shape == (500, 3)


def true_colours(painted: PaintedHead, points: np.ndarray) -> np.ndarray:
    from idto3d.evaluation.geometry import Surface

    return Surface(painted.vertices, painted.faces).sample(points, painted.materials[:, :3])


def test_a_head_of_another_surface_is_refused(
    painted: PaintedHead, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("other")
    still = np.zeros((1, *painted.vertices.shape), dtype=np.float32)
    head = Finished(("neutral",), painted.vertices, still, painted.faces, painted.materials[None])
    write_toy_asset(folder, head, PEOPLE.template.faces.numpy())
    other = Finished(
        ("neutral", "smile"), head.canonical, np.concatenate([still, still]), head.faces,
        np.concatenate([head.materials] * 2),
    )  # fmt: skip
    with pytest.raises(UserError, match="other expressions"):
        finished_heads(folder, other, PEOPLE.fine)

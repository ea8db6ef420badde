# SPDX-License-Identifier: GPL-3.0-or-later
"""Another head model as template: one of FLAME's form, which is the shipped head in disguise."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.assets import ASSETS
from idto3d.cli import main
from idto3d.errors import UserError
from idto3d.generate import find_start
from idto3d.head.stage_zero import load_stage_zero
from idto3d.head.template import Template, load_template
from idto3d.job.protocol import JobFolder, Request
from idto3d.run import open_run
from idto3d.settings import HEAD_METRES
from tests.backend.tiny_job import Recorder, write_materials
from tests.backend.training.conftest import WITHOUT_ANNY

pytest.importorskip("anny", reason=WITHOUT_ANNY)
pytest.importorskip("trimesh")
from idto3d.training.foreign_template import convert, read_flame, read_ict  # noqa: E402

OFFSET = np.array([0.01, -0.12, 0.05])  # metres


@pytest.fixture(scope="module")
def flame(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped head in metres, elsewhere, vertices in another order, 12 of its shapes.

    Each is doubled, so that its coefficients are half of the shipped ones.
    """
    path = tmp_path_factory.mktemp("flame") / "flame.npz"
    order = np.random.default_rng(0).permutation(len(template.mean))
    back = np.argsort(order)
    shapes = 2 * template.identity_basis.numpy()[:12, order]
    np.savez(
        path,
        v_template=template.mean.numpy()[order] * HEAD_METRES + OFFSET,
        shapedirs=np.moveaxis(shapes, 0, -1) * HEAD_METRES,
        f=back[template.faces.numpy()].astype(np.uint32),
    )
    return path


@pytest.fixture(scope="module")
def folder(flame: Path) -> Path:
    output = flame.parent / "template"
    assert main(["template", "flame", str(flame), "--output", str(output)]) == 0
    return output


def test_it_lies_where_the_shipped_one_does(folder: Path, template: Template) -> None:
    made = load_template(folder / "head.npz")
    order = np.random.default_rng(0).permutation(len(template.mean))
    assert (made.mean - template.mean[order]).abs().max() < 3e-3  # a millimetre
    assert made.expression_names == template.expression_names
    assert (made.part == template.part[order]).float().mean() > 0.99
    marks = made.mean[made.landmarks] - template.mean[template.landmarks]
    assert marks.norm(dim=1).max() < 5e-3


def test_expressions_are_carried_over(folder: Path, template: Template) -> None:
    made = load_template(folder / "head.npz")
    order = np.random.default_rng(0).permutation(len(template.mean))
    for weights in ({"jawOpen": 1.0}, {"mouthSmileLeft": 1.0, "browInnerUp": 0.5}):
        expected = template.expression(weights)[order]
        error = (made.expression(weights) - expected).norm() / expected.norm()
        assert error < 0.2


def test_stage_zero_speaks_its_coefficients(folder: Path, template: Template) -> None:
    shipped = load_stage_zero(ASSETS / "template" / "stage_zero.npz")
    made = load_stage_zero(folder / "stage_zero.npz")
    embedding = np.random.default_rng(1).normal(size=(2, 128)) * 0.1
    before, after = shipped.guess(embedding), made.guess(embedding)
    assert after.coefficients.shape == (12,) and after.tone == pytest.approx(before.tone)
    # The first twelve shapes hold most of a head; what they hold is said at half the numbers.
    head = load_template(folder / "head.npz").neutral(after.coefficients)
    order = np.random.default_rng(0).permutation(len(template.mean))
    truth = template.neutral(before.coefficients)[order]
    plain = (template.mean[order] - truth).norm(dim=1).mean()
    assert (head - truth).norm(dim=1).mean() < 0.5 * plain


def test_a_head_starts_from_it(folder: Path, tmp_path: Path) -> None:
    """Photographs to the start of the optimisation, on the other topology."""
    write_materials(tmp_path)
    request = Request((str(tmp_path / "portrait.png"),), ("smile",), template=str(folder))
    request = dataclasses.replace(request, prior=str(tmp_path / "prior"), device="cpu")
    job = JobFolder(tmp_path / "job")
    job.write_request(request)
    start = find_start(open_run(request, job, Recorder()))
    own = load_template(folder / "head.npz").subdivided()
    assert torch.equal(start.template.faces, own.faces)
    assert start.guess.coefficients.shape == (12,)
    assert start.canonical.shape == own.mean.shape and start.canonical.isfinite().all()
    assert start.motions.shape == (2, *own.mean.shape) and start.motions[1].abs().max() > 1e-3


def test_ict_brings_its_own_expressions(ict_folder: Path, template: Template) -> None:
    model = read_ict(ict_folder, template)
    made, matrix = convert(model, template)
    assert matrix.shape == (3, 1 + len(template.identity_basis))
    assert len(made.mean) == len(model.mean) and made.expression_names == template.expression_names
    # That file knows a jaw and a smile, and no brows.
    jaw = made.expression({"jawOpen": 1.0})
    expected = template.expression({"jawOpen": 1.0}).norm(dim=1).max()
    assert jaw.norm(dim=1).max() == pytest.approx(float(expected), rel=0.15)
    assert made.expression({"browInnerUp": 1.0}).abs().max() == 0


def test_files_that_are_refused(tmp_path: Path, template: Template, flame: Path) -> None:
    (tmp_path / "flame.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match="is a pickle, which may run programs"):
        read_flame(tmp_path / "flame.pkl", template)
    np.savez(tmp_path / "objects.npz", v_template=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="no FLAME model"):
        read_flame(tmp_path / "objects.npz", template)
    np.savez(tmp_path / "b.npz", v_template=np.zeros((4, 3)), f=[[0, 1, 9]], shapedirs=[[[0.0]]])
    with pytest.raises(UserError, match="don't fit"):
        read_flame(tmp_path / "b.npz", template)


def test_template_that_is_there_stays(folder: Path, flame: Path) -> None:
    assert main(["template", "flame", str(flame), "--output", str(folder)]) == 2


def test_map_is_exact_on_itself(template: Template) -> None:
    """The shipped head as another model: coefficients stay what they are."""
    from idto3d.training.foreign_template import Model

    model = Model(
        template.mean.numpy(), template.faces.numpy(), template.identity_basis.numpy(), None
    )
    made, matrix = convert(model, template)
    assert torch.equal(made.landmarks, template.landmarks)
    assert np.abs(matrix[:10, 1:11] - np.eye(10)).max() < 0.05
    assert np.abs(matrix[:, 0]).max() < 0.05

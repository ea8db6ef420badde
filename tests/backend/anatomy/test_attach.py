# SPDX-License-Identifier: GPL-3.0-or-later
"""Teeth and lashes on heads: nothing shows that flesh should hide, in any expression."""

import numpy as np
import pytest
import torch

from idto3d.anatomy import teeth
from idto3d.anatomy.attach import LASH_DARKNESS
from idto3d.head.regions import SKIN, face_centimetre
from idto3d.head.signed_distance import TriangleMesh
from idto3d.head.template import Template
from idto3d.render.cameras import orbit, transform
from idto3d.render.rasterize import rasterize
from tests.backend.anatomy.conftest import HAIR, SomePerson

SHUT = ("smile", "sadness")  # of the list, those that leave no gap between the template's lips
SIDE = 160  # pixels of a picture of the mouth


def _dental() -> tuple[int, int]:
    """How many faces and unsplit vertices of the attached parts are teeth and gums."""
    pieces = [
        *teeth.arch_pieces(teeth.UPPER, teeth.UPPER_ARCH, lower=False),
        *teeth.arch_pieces(teeth.LOWER, teeth.LOWER_ARCH, lower=True),
    ]
    vertices = sum(int(piece.original.max()) + 1 for piece in pieces)
    return sum(len(piece.faces) for piece in pieces), vertices


def _seen(positions: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which face each pixel shows, around the mouth from four sides: (4,SIDE,SIDE), -1 none."""
    cameras = orbit(
        torch.tensor([0.0, 45.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, -25.0, 25.0]),
        target=(0.0, -0.2, 0.2), field_of_view=9.0,
    )  # fmt: skip
    clip = transform(torch.from_numpy(positions).float()[None].expand(4, -1, -1), cameras)
    return rasterize(clip, torch.from_numpy(faces), SIDE, SIDE).face.numpy()


def _dental_pixels(person: SomePerson, template: Template, pose: int) -> tuple[int, int]:
    """Pixels that show teeth or gum, and those of them where the head alone shows outer skin."""
    head, faces = person.poses[pose], template.faces.numpy()
    attached = person.attached
    parts = attached.original[attached.faces] + len(head)
    together = _seen(
        np.concatenate([head, attached.positions[pose]]), np.concatenate([faces, parts])
    )
    alone = _seen(head, faces)
    dental = (together >= len(faces)) & (together < len(faces) + _dental()[0])
    inside = (attached.lining.share[faces] > 0.02).any(axis=1)
    return int(dental.sum()), int((dental & ~np.where(alone < 0, False, inside[alone])).sum())


def test_teeth_are_seen_only_where_the_mouth_is_open(
    people: list[SomePerson], template: Template
) -> None:
    for person in people:
        for pose, name in enumerate(person.expressions):
            shown, through = _dental_pixels(person, template, pose)
            assert through == 0, f"{name}: {through} pixels of teeth lie before skin"
            if name in ("grin", "jaw_open", "scream"):
                assert shown > 400, name
            if name in SHUT:
                assert shown < 15, name


def test_front_teeth_stay_clear_of_the_lips(people: list[SomePerson], template: Template) -> None:
    """By winding numbers, which the fit itself does without."""
    faces = template.faces.numpy()
    skin = torch.from_numpy(faces[template.part.numpy()[faces[:, 0]] == SKIN])
    first = 0
    chosen = []
    for number, arch in enumerate(
        ((teeth.UPPER, teeth.UPPER_ARCH), (teeth.LOWER, teeth.LOWER_ARCH))
    ):
        for index, piece in enumerate(teeth.arch_pieces(*arch, lower=number == 1)):
            count = int(piece.original.max()) + 1
            if 3 <= index < 11:  # canine to canine and the premolars beside them
                tall = np.zeros(count, dtype=bool)
                exposed = np.abs(piece.vertices[:, 1]) < 0.5 * np.abs(piece.vertices[:, 1]).max()
                tall[piece.original[exposed]] = True
                chosen.append(first + np.flatnonzero(tall))
            first += count
    points = np.concatenate(chosen)
    for person in people:
        cm = face_centimetre(person.poses[0, template.landmarks.numpy()])
        for name in ("neutral", "grin", "jaw_open", "funnel", "pucker"):
            pose = person.pose(name)
            mesh = TriangleMesh(torch.from_numpy(person.poses[pose]), skin)
            distance = mesh.signed_distance(
                torch.from_numpy(person.attached.positions[pose, points])
            )
            assert float(distance.min()) > -0.05 * cm, name


def test_everybody_has_the_same_topology(people: list[SomePerson]) -> None:
    first, second = (person.attached for person in people)
    for name in ("faces", "original", "uv", "material", "occlusion"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert first.positions.shape == second.positions.shape
    assert not np.allclose(first.positions, second.positions)
    assert len(first.faces) <= 4000
    assert first.uv.min() >= 0 and first.uv.max() <= 1


def test_upper_teeth_rest_and_lower_ones_follow_the_chin(
    people: list[SomePerson], template: Template
) -> None:
    upper = sum(
        int(piece.original.max()) + 1
        for piece in teeth.arch_pieces(teeth.UPPER, teeth.UPPER_ARCH, lower=False)
    )
    for person in people:
        positions, pose = person.attached.positions, person.pose("jaw_open")
        assert np.array_equal(positions[pose, :upper], positions[0, :upper])
        lower = positions[:, upper : _dental()[1]]
        spread = [np.linalg.norm(arch - arch.mean(axis=0), axis=1) for arch in lower]
        assert np.allclose(spread, spread[0], atol=1e-5)  # a jaw doesn't bend
        dropped = (lower[0] - lower[pose]).mean(axis=0)[1]
        chin = template.landmarks[8]
        assert 0.2 < dropped / (person.poses[0] - person.poses[pose])[chin, 1] < 1.2
        assert np.array_equal(lower[person.pose("brow_raise")], lower[0])


def test_lashes_are_a_darker_shade_of_the_hair(people: list[SomePerson]) -> None:
    attached = people[0].attached
    last = attached.material[-1]
    assert last[:3] == pytest.approx(LASH_DARKNESS * np.array(HAIR), abs=1e-6)

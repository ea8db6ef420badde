# SPDX-License-Identifier: GPL-3.0-or-later
"""Where lashes grow."""

import numpy as np
import pytest
import torch

from idto3d.anatomy.lashes import LOWER, UPPER, lash_pieces, lid_edges, pose_lashes
from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, SKIN, face_centimetre
from idto3d.head.signed_distance import TriangleMesh
from idto3d.head.template import Template
from tests.backend.anatomy.conftest import SomePerson

MOVING = ("neutral", "blink", "squeeze", "surprise", "anger")


def test_lid_edges_run_from_the_nose_outwards(template: Template) -> None:
    positions = template.mean.numpy()
    cm = face_centimetre(positions[template.landmarks.numpy()])
    lids = lid_edges(template)
    assert [(lid.eye, lid.row.up) for lid in lids] == [
        (RIGHT_EYE, 1.0), (RIGHT_EYE, -1.0), (LEFT_EYE, 1.0), (LEFT_EYE, -1.0)
    ]  # fmt: skip
    for lid in lids:
        edge = positions[lid.vertices] / cm
        assert len(lid.vertices) >= 8
        assert (np.diff(lid.length) > 0).all()
        assert (lid.length[0], lid.length[-1]) == pytest.approx((0.0, 1.0))
        assert abs(edge[-1, 0]) - abs(edge[0, 0]) > 2.0
        assert np.linalg.norm(np.diff(edge, axis=0), axis=1).max() < 0.9
    for upper, lower in (lids[:2], lids[2:]):
        middle = [positions[lid.vertices][len(lid.vertices) // 2, 1] for lid in (upper, lower)]
        assert 0.4 * cm < middle[0] - middle[1] < 1.5 * cm


def test_roots_follow_the_lid(people: list[SomePerson], template: Template) -> None:
    lids = lid_edges(template)
    for person in people:
        cm = face_centimetre(person.poses[0, template.landmarks.numpy()])
        poses = person.poses[[person.pose(name) for name in MOVING]]
        for lid, strands in zip(lids, pose_lashes(template, poses, lids), strict=True):
            assert strands.shape[:2] == (len(MOVING), lid.row.count)
            wanted = np.linspace(*lid.row.span, lid.row.count)
            for pose, lashes in zip(poses, strands, strict=True):
                edge = pose[lid.vertices]
                at = [np.interp(wanted, lid.length, axis) for axis in edge.T]
                root = lashes[:, :3].mean(axis=1)
                away = np.linalg.norm(root - np.stack(at, axis=1), axis=1) / cm
                drawn_in = np.linalg.norm(lashes[:, -1] - root, axis=1) < 0.2 * lid.row.length * cm
                assert (away[~drawn_in] < 0.06).all() and (away[drawn_in] < 0.25).all()


def test_no_lash_runs_through_a_lid(people: list[SomePerson], template: Template) -> None:
    """By winding numbers, which the lashes themselves do without."""
    lids = lid_edges(template)
    faces, part = template.faces.numpy(), template.part.numpy()
    skin = torch.from_numpy(faces[part[faces[:, 0]] == SKIN])
    for person in people:
        cm = face_centimetre(person.poses[0, template.landmarks.numpy()])
        poses = person.poses[[person.pose(name) for name in MOVING]]
        grown = pose_lashes(template, poses, lids)
        for index, pose in enumerate(poses):
            mesh = TriangleMesh(torch.from_numpy(pose), skin)
            for lid, strands in zip(lids, grown, strict=True):
                lashes = strands[index]
                length = np.linalg.norm(lashes[:, -1] - lashes[:, :3].mean(axis=1), axis=1) / cm
                # One without room is drawn in: it ends within the lid's own thickness.
                free = length > 0.2 * lid.row.length
                assert (length[~free] < 0.16).all()
                beyond = torch.from_numpy(lashes[free][:, 4:].reshape(-1, 3)).float()
                if len(beyond):
                    assert float(mesh.signed_distance(beyond).min()) > -0.1 * cm


def test_most_lashes_have_room_while_the_eyes_are_open(
    people: list[SomePerson], template: Template
) -> None:
    lids = lid_edges(template)
    for person in people:
        cm = face_centimetre(person.poses[0, template.landmarks.numpy()])
        for lid, strands in zip(lids, pose_lashes(template, person.poses[:1], lids), strict=True):
            lashes = strands[0]
            length = np.linalg.norm(lashes[:, -1] - lashes[:, 0], axis=1) / cm
            assert (length > 0.4 * lid.row.length).mean() > 0.8
            # Tips lie before the roots, the upper ones curl up and the lower ones down.
            free = length > 0.4 * lid.row.length
            offset = (lashes[free, -1] - lashes[free, 0]) / cm
            assert offset[:, 2].mean() > 0.01
            assert (lid.row.up * offset[:, 1]).mean() > 0.02


def test_pieces_fit_their_row() -> None:
    for row in (UPPER, LOWER):
        pieces = lash_pieces(row, np.array([0.1, 0.1, 0.1]))
        assert len(pieces) == row.count
        rings = len(row.stations) - 1
        assert len(pieces[0].faces) == 6 * (rings - 1) + 3
        assert pieces[0].original.max() + 1 == 3 * rings + 1

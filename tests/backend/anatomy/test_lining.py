# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as the inside of the mouth."""

from idto3d.anatomy.lining import mouth_lining
from idto3d.head.regions import MOUTH, face_centimetre
from idto3d.head.template import LIPS_OUTER, Template


def test_lining_is_behind_the_lips(template: Template) -> None:
    lining = mouth_lining(template)
    part, positions = template.part.numpy(), template.mean.numpy()
    marks = positions[template.landmarks.numpy()]
    cm = face_centimetre(marks)
    assert (lining.share[part == MOUTH] == 1).all()
    assert (lining.share[template.landmarks[LIPS_OUTER]] == 0).all()
    covered = positions[(lining.share > 0) & (part != MOUTH)]
    assert len(covered) > 200
    # None of it is nearer to the front than the lips, nor on the chin, cheeks or nose.
    assert covered[:, 2].max() < marks[62, 2] + 0.4 * cm
    front = covered[covered[:, 2] > marks[62, 2] - cm]
    assert abs(front[:, 0]).max() < 3.2 * cm
    assert marks[8, 1] < front[:, 1].min() and front[:, 1].max() < marks[33, 1] + 2.5 * cm


def test_eyes_and_outer_skin_keep_their_own_colours(template: Template) -> None:
    lining = mouth_lining(template)
    part, positions = template.part.numpy(), template.mean.numpy()
    assert (lining.share[part >= 2] == 0).all()
    assert (lining.share[positions[:, 1] > 0.05] == 0).all()
    assert ((lining.light > 0) <= (lining.share > 0)).all()

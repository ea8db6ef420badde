# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions are told apart, also on another head, and a face that hardly moves is neutral."""

import numpy as np
import torch

from idto3d.assets import ASSETS, expression_names
from idto3d.evaluation.expression import Reference, features, nearest, recognise
from idto3d.guidance import chosen_expressions
from tests.backend.evaluation.test_geometry import FACES, LANDMARKS, MEAN, SKIN, TEMPLATE

NAMES = ("neutral", "smile", "jaw_open", "anger", "blink")
ARKIT = [each.arkit for each in chosen_expressions(NAMES, ASSETS / "expressions.json")]
MOVES = [TEMPLATE.expression(arkit).numpy() for arkit in ARKIT]
FACE = SKIN & (MEAN[:, 2] > MEAN[LANDMARKS[0], 2]) & (MEAN[:, 1] > MEAN[LANDMARKS[8], 1])
PLACES = Reference(MEAN[FACE], MEAN[LANDMARKS])
REFERENCE = features(MEAN, [MEAN + move for move in MOVES], FACES, LANDMARKS, PLACES)


def test_all_expressions_of_another_head_are_recognised() -> None:
    draw = np.random.default_rng(3).normal(size=len(TEMPLATE.identity_basis))
    other = TEMPLATE.neutral(torch.from_numpy(draw.astype(np.float32))).numpy()
    found = features(other, [other + 0.8 * move for move in MOVES], FACES, LANDMARKS, PLACES)
    rows = recognise(NAMES, found, NAMES, REFERENCE)
    assert [row.by_landmarks for row in rows] == list(NAMES)
    assert [row.by_normals for row in rows] == list(NAMES)
    np.testing.assert_allclose([row.strength for row in rows], [1, 0.8, 0.8, 0.8, 0.8], atol=1e-3)


def test_the_wrong_expression_and_none_are_told() -> None:
    still = MEAN + 0.1 * MOVES[1]
    found = features(MEAN, [MEAN + MOVES[2], still], FACES, LANDMARKS, PLACES)
    wrong, weak = recognise(("smile", "smile"), found, NAMES, REFERENCE)
    assert (wrong.by_landmarks, wrong.by_normals) == ("jaw_open", "jaw_open")
    assert (weak.by_landmarks, weak.by_normals) == ("neutral", "neutral")
    assert weak.strength < 0.2


def test_nearest() -> None:
    assert nearest(np.array([[0.9, 0], [0, 0.1]]), np.eye(2)).tolist() == [0, 1]
    assert set(NAMES) <= set(expression_names())

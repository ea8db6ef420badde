# SPDX-License-Identifier: GPL-3.0-or-later
"""From measures to words: what is said, and what it costs a photo."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from idto3d.identity.quality import Quality
from idto3d.identity.verdicts import NO_FACE, Limits, Severity, Verdict, judge, strangers

GOOD = Quality(
    eye_distance=60,
    sharpness=0.35,
    highlights=190,
    clipped=0,
    sideways=0.02,
    length=0.72,
    outside=0,
)


def test_nothing_to_say_about_a_good_face():
    assert judge(GOOD, Limits()) == ()


@pytest.mark.parametrize(
    ("change", "kind", "severity"),
    [
        ({"eye_distance": 20}, "too small", Severity.WARNING),
        ({"eye_distance": 9}, "too small", Severity.UNUSABLE),
        ({"sharpness": 0.12}, "blurred", Severity.WARNING),
        ({"sharpness": 0.05}, "blurred", Severity.UNUSABLE),
        ({"highlights": 45}, "under-exposed", Severity.WARNING),
        ({"highlights": 20}, "under-exposed", Severity.UNUSABLE),
        ({"clipped": 0.2}, "over-exposed", Severity.WARNING),
        ({"clipped": 0.8}, "over-exposed", Severity.UNUSABLE),
        ({"sideways": -0.5}, "turned", Severity.WARNING),
        ({"length": 1.05}, "turned", Severity.WARNING),
        ({"length": 1.3}, "turned", Severity.UNUSABLE),
        ({"length": 0.4}, "turned", Severity.WARNING),
        ({"outside": 0.2}, "cut off", Severity.WARNING),
    ],
)
def test_each_fault_is_named_alone(change, kind, severity):
    (finding,) = judge(replace(GOOD, **change), Limits())
    assert (finding.kind, finding.severity) == (kind, severity)
    assert finding.reason and finding.reason[-1] != "."
    assert finding.advice.endswith(".")


def test_the_worst_finding_decides():
    path = Path("a.jpg")
    assert Verdict(path, ()).severity == Severity.USABLE
    warned = Verdict(path, judge(replace(GOOD, sharpness=0.12, outside=0.2), Limits()))
    assert len(warned.findings) == 2
    assert warned.severity == Severity.WARNING and warned.usable
    assert not Verdict(path, (*warned.findings, NO_FACE)).usable


@pytest.mark.parametrize(
    ("quality", "degrees"),
    [(replace(GOOD, sideways=0.55), 45), (replace(GOOD, length=1.44), 60)],
)
def test_turn_in_degrees(quality, degrees):
    (finding,) = judge(quality, Limits())
    assert f"about {degrees} degrees" in finding.reason


def embeddings(*clusters: tuple[int, float], spread: float, seed: int = 0) -> np.ndarray:
    """Clusters of (count, place): members are `spread` apart, clusters their difference of place
    (in a direction of its own) and a little more."""
    generator = np.random.default_rng(seed)
    rows = []
    for axis, (count, place) in enumerate(clusters):
        noise = generator.normal(size=(count, 128))
        noise *= spread / np.sqrt(2) / np.linalg.norm(noise, axis=1, keepdims=True)
        noise[:, axis] += place
        rows.append(noise)
    return np.concatenate(rows)


@pytest.mark.parametrize(
    ("clusters", "spread", "expected"),
    [
        # As on photographs: members 0.35 apart, strangers 0.87.
        ([(5, 0.0)], 0.35, ()),
        ([(4, 0.0), (1, 0.8)], 0.35, (4,)),
        ([(3, 0.0), (2, 0.8)], 0.35, (3, 4)),
        ([(1, 0.0), (1, 0.8)], 0.35, (1,)),
        ([(1, 0.0), (1, 0.0)], 0.35, ()),
        ([(1, 0.0)], 0.35, ()),
        # One person in hard poses: all are far apart, none more than others.
        ([(5, 0.0)], 0.60, ()),
        # Everybody is somebody else.
        ([(1, 0.0), (1, 0.8), (1, 0.8)], 0.35, (1, 2)),
    ],
)
def test_strangers(clusters, spread, expected):
    assert strangers(embeddings(*clusters, spread=spread), 0.55, Limits()) == expected


def test_the_stranger_is_found_wherever_it_stands():
    rows = embeddings((4, 0.0), (1, 0.8), spread=0.35)
    assert strangers(np.roll(rows, 1, axis=0), 0.55, Limits()) == (0,)

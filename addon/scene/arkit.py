# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions under ARKit's names, where one of ours is one of theirs or both sides of it. No bpy.

Ours are whole expressions ("smile"); ARKit's are mostly parts of a face ("mouthSmileLeft"). Where
an expression consists of one part, it is cut into left and right and scaled, so that ARKit's value
in the expression's recipe (assets/expressions.json) gives our expression back. An expression that
mixes several parts, like anger, stays what it is.
"""

from array import array
from collections.abc import Callable

SEAM_METRES = 0.01  # half the width of the strip in which left passes into right
INNER_METRES, OUTER_METRES = 0.015, 0.035  # where the brow's inner part begins to end, and ends

Share = Callable[[float], float]  # x in metres, the person's left positive -> share in [0,1]


def smooth_step(value: float) -> float:
    """0 below 0, 1 above 1, smooth between."""
    value = min(max(value, 0.0), 1.0)
    return value * value * (3.0 - 2.0 * value)


def whole(x: float) -> float:
    """Everywhere."""
    return 1.0


def left(x: float) -> float:
    """The person's left half."""
    return smooth_step((x + SEAM_METRES) / (2.0 * SEAM_METRES))


def right(x: float) -> float:
    """The person's right half."""
    return 1.0 - left(x)


def inner(x: float) -> float:
    """A strip in the middle, as wide as the inner ends of the brows."""
    return 1.0 - smooth_step((abs(x) - INNER_METRES) / (OUTER_METRES - INNER_METRES))


def outer_left(x: float) -> float:
    """What `inner` leaves of the left half."""
    return (1.0 - inner(x)) * left(x)


def outer_right(x: float) -> float:
    """What `inner` leaves of the right half."""
    return (1.0 - inner(x)) * right(x)


# Expression -> ARKit's names, the part of the face, ARKit's value in the expression.
PARTS: dict[str, tuple[tuple[str, Share, float], ...]] = {
    "smile": (("mouthSmileLeft", left, 0.9), ("mouthSmileRight", right, 0.9)),
    "jaw_open": (("jawOpen", whole, 0.8),),
    "pucker": (("mouthPucker", whole, 0.9),),
    "funnel": (("mouthFunnel", whole, 1.0),),
    "cheek_puff": (("cheekPuff", whole, 1.0),),
    "brow_raise": (
        ("browInnerUp", inner, 1.0),
        ("browOuterUpLeft", outer_left, 1.0),
        ("browOuterUpRight", outer_right, 1.0),
    ),
    "blink": (("eyeBlinkLeft", left, 1.0), ("eyeBlinkRight", right, 1.0)),
}


def arkit_expressions(offsets: dict[str, array], x: array) -> dict[str, array]:
    """Expressions under ARKit's names where there is one, the others as they are.

    Args:
        offsets: expression -> what it adds to each vertex, three values each, in metres.
        x: where each vertex is, metres to the person's left.
    """
    result: dict[str, array] = {}
    for name, moved in offsets.items():
        for part, share, value in PARTS.get(name, ((name, whole, 1.0),)):
            result[part] = _scaled(moved, [share(at) / value for at in x])
    return result


def _scaled(offsets: array, factors: list[float]) -> array:
    result = array("f", bytes(4 * len(offsets)))
    for axis in range(3):
        lane = zip(offsets[axis::3], factors, strict=True)
        result[axis::3] = array("f", [value * factor for value, factor in lane])
    return result

# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions that can be asked for, as the list in `assets/` names them. No bpy."""

import json
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).resolve().parents[1] / "assets" / "expressions.json"


@dataclass(frozen=True)
class Expression:
    """One entry of the list."""

    name: str  # in requests and shape keys: jaw_open
    label: str  # for people: Jaw Open
    text: str  # "a wide open mouth"


def read_expressions(path: Path = LIST) -> tuple[Expression, ...]:
    """All expressions in the list's order, without the neutral one, which is always made."""
    entries = json.loads(path.read_text(encoding="utf-8"))["expressions"]
    return tuple(
        Expression(entry["name"], entry["name"].replace("_", " ").title(), entry["text"])
        for entry in entries
        if entry["name"] != "neutral"
    )


EXPRESSIONS = read_expressions()
NAMES = tuple(expression.name for expression in EXPRESSIONS)

# Sets that one click chooses: what a look at the person needs, a dialogue, the whole paper.
SETS: dict[str, tuple[str, ...]] = {
    "NONE": (),
    "3": ("smile", "jaw_open", "surprise"),
    "6": ("smile", "jaw_open", "surprise", "anger", "sadness", "pucker"),
    "13": NAMES[:13],
    "ALL": NAMES,
}

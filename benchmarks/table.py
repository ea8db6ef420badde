# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One ratio and what it was made of."""

    name: str
    seconds: float  # of the thing itself
    against: float  # seconds that it is divided by
    goal: float | None = None  # the ratio that we want
    limit: float | None = None  # the ratio that is still good enough; without it the goal is meant

    @property
    def ratio(self) -> float:
        return self.seconds / self.against

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        if self.ratio <= self.goal:
            return "goal met"
        return "good enough" if self.limit and self.ratio <= self.limit else "missed"


def format_table(rows: Sequence[Row]) -> str:
    """Rows as aligned text."""
    head = ("ratio", "measured", "goal", "at most", "", "milliseconds")
    cells = [
        (
            row.name,
            f"{row.ratio:.2f}",
            _number(row.goal),
            _number(row.limit),
            row.verdict,
            f"{_milliseconds(row.seconds)} / {_milliseconds(row.against)}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "  ".join(
            text.rjust(width) if column in (1, 2, 3, 5) else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, rule, *cells]
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _milliseconds(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"

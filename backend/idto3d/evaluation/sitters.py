# SPDX-License-Identifier: GPL-3.0-or-later
"""The synthetic people of an evaluation, where the packages that make them are installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d.assets import ASSETS
from idto3d.errors import UserError

if TYPE_CHECKING:
    from idto3d.training.people import People


def synthetic_people(count: int, ict: Path | None) -> "tuple[list[dict], People]":
    """The table of expressions and who draws people; count: how many are asked for.

    Commands call it before they import what needs those packages. Raises UserError for fewer than
    two people, who can't be told apart, and for missing packages.
    """
    if count < 2:
        raise UserError("One person can't be told from others. Give --people 2 or more.")
    with training_packages():
        from idto3d.head.template import load_template
        from idto3d.training.dataset import expression_table
        from idto3d.training.people import People
    table = expression_table(ASSETS / "expressions.json")
    return table, People(load_template(ASSETS / "template" / "head.npz"), ict)


@contextmanager
def training_packages() -> Iterator[None]:
    """Around imports that need the extra 'train': UserError where a package of it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"The evaluation needs the package {error.name}. Install idto3d with its extra 'train'."
        ) from error

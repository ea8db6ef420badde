# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings named on the command line."""

import pytest

from idto3d.errors import UserError
from idto3d.options import parse_overrides


def test_overrides() -> None:
    pairs = ["a.b=3", "c=0.5", "d=true", "e=fixed", "f=[1, 2]", "g=x=y"]
    assert parse_overrides(pairs) == {
        "a.b": 3,
        "c": 0.5,
        "d": True,
        "e": "fixed",
        "f": [1, 2],
        "g": "x=y",
    }
    for bad in ("steps", "=3"):
        with pytest.raises(UserError, match="no setting"):
            parse_overrides([bad])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings named on the command line."""

import argparse

import pytest

from idto3d.errors import UserError
from idto3d.options import add_request_options, parse_overrides, request_from


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


@pytest.mark.parametrize(("words", "expected"), [([], {}), (["--no-teeth-and-lashes"], False)])
def test_teeth_and_lashes_can_be_left_out(words: list[str], expected: object) -> None:
    parser = argparse.ArgumentParser()
    add_request_options(parser)
    overrides = request_from(parser.parse_args(words)).overrides
    assert overrides.get("asset.teeth_and_lashes", {}) == expected

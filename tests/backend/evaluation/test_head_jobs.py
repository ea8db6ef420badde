# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the options that evaluations share; the work itself is in the tests of the commands."""

import argparse

import pytest

from idto3d.errors import UserError
from idto3d.evaluation import head_jobs


def test_parts() -> None:
    assert head_jobs.part("2/3") == (2, 3)
    for words in ("3/2", "0/2", "2", "a/b", "1/0"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no part"):
            head_jobs.part(words)


def test_asked_expressions() -> None:
    assert len(head_jobs.asked_expressions("all")) == 16
    assert head_jobs.asked_expressions("blink, smile,blink,neutral") == ["blink", "smile"]
    assert head_jobs.asked_expressions("") == []
    with pytest.raises(UserError, match="no expression smirk"):
        head_jobs.asked_expressions("smirk")

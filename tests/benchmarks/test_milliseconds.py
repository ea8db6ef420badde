# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a step's time goes: calls are counted to their part, and nothing stays patched."""

import pytest
import torch

from benchmarks.clock import Clock
from benchmarks.milliseconds import PARTS, REST, WHOLE, shares_of, table_of


def test_time_is_counted_where_it_is_spent() -> None:
    weight = torch.nn.Parameter(torch.randn(300, 300))
    optimizer = torch.optim.Adam([weight])
    before = {name: [getattr(*each) for each in each_part] for name, each_part in PARTS.items()}

    def step() -> None:
        optimizer.zero_grad()
        (weight @ weight).square().mean().backward()
        optimizer.step()

    shares = shares_of(step, Clock(torch.device("cpu"), 1), repetitions=5)
    assert shares["backward"] > 0 and shares["update"] > 0
    assert shares["denoiser, both branches"] == shares["encoder"] == 0
    assert shares[REST] > 0
    assert sum(shares.values()) - shares[WHOLE] == pytest.approx(shares[WHOLE])
    after = {name: [getattr(*each) for each in each_part] for name, each_part in PARTS.items()}
    assert after == before


def test_table_has_a_row_for_each_part() -> None:
    table = table_of({"one": {"encoder": 0.5, WHOLE: 1.0}, "two": {"encoder": 0.25, WHOLE: 2.0}})
    head, encoder, whole = table.splitlines()
    assert head.split() == ["one", "two"]
    assert encoder.split() == ["encoder", "500.0", "250.0"]
    assert whole.startswith(WHOLE) and whole.split()[-2:] == ["1000.0", "2000.0"]

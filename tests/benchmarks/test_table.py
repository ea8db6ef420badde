# SPDX-License-Identifier: GPL-3.0-or-later
"""Ratios, their verdicts, and a clock whose tasks take turns."""

import torch

from benchmarks.clock import Clock
from benchmarks.table import Row, format_table


def test_verdicts():
    assert Row("step", 3.0, 2.0, goal=1.5, limit=2.5).verdict == "goal met"
    assert Row("step", 5.0, 2.0, goal=1.5, limit=2.5).verdict == "good enough"
    assert Row("step", 5.1, 2.0, goal=1.5, limit=2.5).verdict == "missed"
    assert Row("lattice", 5.0, 1.0, goal=4).verdict == "missed"
    assert Row("kernel", 5.0, 1.0).verdict == ""


def test_table_has_a_line_for_each_row():
    text = format_table([Row("a step", 0.3, 0.1, 1.5, 2.5), Row("a kernel", 0.002, 0.004)])
    head, rule, step, kernel = text.splitlines()
    assert step.split() == ["a", "step", "3.00", "1.5", "2.5", "missed", "300", "/", "100"]
    assert kernel.split() == ["a", "kernel", "0.50", "2.0", "/", "4.0"]
    assert head.index("measured") + len("measured") == step.index("3.00") + 4


def test_tasks_take_turns_and_the_first_rounds_do_not_count():
    order = []
    clock = Clock(torch.device("cpu"), threads=1)
    tasks = {name: (lambda name=name: order.append(name)) for name in "ab"}
    seconds = clock.medians(tasks, repetitions=3, warm_up=1)
    assert order == ["a", "b"] * 4
    assert set(seconds) == {"a", "b"}


def test_slow_tasks_take_longer():
    clock = Clock(torch.device("cpu"), threads=1)
    tasks = {"much": lambda: sum(range(200_000)), "little": lambda: sum(range(2_000))}
    seconds = clock.medians(tasks, repetitions=5)
    assert seconds["much"] > 10 * seconds["little"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure everything in one run and print a table of ratios."""

import argparse

import torch

from benchmarks import kernels, optimisation
from benchmarks.clock import Clock
from benchmarks.compact import prior_folder
from benchmarks.steps import Subject
from benchmarks.table import format_table
from idto3d.allocator import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--repetitions", type=int, default=9, help="rounds of which to take the median"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch's threads; kernels use one")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as a run does
    clock = Clock(torch.device(options.device), options.threads)
    count = options.repetitions
    prior, which = prior_folder()
    print(f"Prior: {which}.")
    print(f"Times: {clock.name} on {options.device}, medians of {count} rounds.")
    subject = Subject(prior, optimisation.DEMO_EXPRESSIONS, clock.device)
    rows = [
        *optimisation.over_denoiser(subject, clock, count),
        *optimisation.over_one_expression(prior, clock, count),
        *optimisation.over_coarse_lattice(subject, clock, count),
    ]
    if clock.device.type == "cpu":
        rows += kernels.rasterizer_rows(subject, clock, count)
    rows += kernels.hash_grid_rows(clock, count)
    print()
    print(format_table(rows))


if __name__ == "__main__":
    main()

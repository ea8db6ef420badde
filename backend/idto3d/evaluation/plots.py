# SPDX-License-Identifier: GPL-3.0-or-later
"""An evaluation's figures as plots, where matplotlib is installed (extra 'evaluate')."""

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.asset.files import make_folder, write_whole
from idto3d.evaluation.probes import POSES
from idto3d.evaluation.scores import SHAPES, Group, Score

MISSING = "matplotlib is not installed, so no plots: install idto3d with its extra 'evaluate'."
NAMES = {"template": "unshaped template", "stage_zero": "stage 0", "generated": "generated"}
COLOURS = {"template": "0.65", "stage_zero": "tab:orange", "generated": "tab:blue"}
BARS = {0: 0.9, -45: 0.6, 45: 0.6}  # rank 1 to reach, by yaw


def write_plots(folder: Path, scores: Sequence[Score], groups: dict[str, Group]) -> bool:
    """geometry.png, pose.png, albedo.png and, with expressions, expression.png; False where
    matplotlib is missing. Raises UserError when the disk refuses."""
    if not can_plot():
        return False
    make_folder(folder)
    write_figure(folder / "geometry.png", geometry(scores))
    write_figure(folder / "pose.png", pose(groups))
    write_figure(folder / "albedo.png", albedo(scores))
    if any(score.recognised for score in scores):
        write_figure(folder / "expression.png", expression(scores, groups))
    return True


def geometry(scores: Sequence[Score]) -> Any:
    """Median distance of each person over face and whole head, sorted by the generated one."""
    figure = new_figure(10, 4)
    for column, (prefix, title) in enumerate((("", "face"), ("head_", "whole head")), start=1):
        axes = figure.add_subplot(1, 2, column)
        order = np.argsort([getattr(score, f"{prefix}generated").median for score in scores])
        for name in SHAPES:
            values = [getattr(scores[row], f"{prefix}{name}").median for row in order]
            axes.plot(values, "o", color=COLOURS[name], label=NAMES[name])
            axes.axhline(np.mean(values), color=COLOURS[name], linewidth=1)
        axes.set(title=title, xlabel="person, sorted; lines are means", ylabel="median error, mm")
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure


def pose(groups: dict[str, Group]) -> Any:
    """Rank 1 and centred similarity against yaw, by judge; dashed, the true heads'."""
    figure = new_figure(10, 4)
    for column, (what, title) in enumerate(
        (("rank_one", "rank 1"), ("similarity", "centred similarity")), start=1
    ):
        axes = figure.add_subplot(1, 2, column)
        for index, (judge, group) in enumerate(groups.items()):
            colour = f"C{index}"
            values = [getattr(standing, what) for standing in group.poses]
            perfect = [getattr(standing, what) for standing in group.ceiling_poses]
            axes.plot(POSES, values, "o-", color=colour, label=judge)
            axes.plot(POSES, perfect, "--", color=colour, label=f"{judge}, true heads")
        if what == "rank_one":
            axes.plot(list(BARS), list(BARS.values()), "k_", markersize=18, label="to reach")
            axes.set_ylim(-0.02, 1.02)
        axes.set(title=title, xlabel="yaw, degrees", xticks=POSES)
        axes.legend(fontsize=8)
    return figure


def albedo(scores: Sequence[Score]) -> Any:
    """Colour error of each person beside one skin tone all over; left-right difference."""
    figure = new_figure(10, 4)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    for values, other, axes, unit in (
        ([s.one_tone.plain for s in scores], [s.albedo.plain for s in scores], left, "dE"),
        (
            [s.true_baked_light.difference for s in scores],
            [s.baked_light.difference for s in scores], right, "stops",
        ),
    ):  # fmt: skip
        axes.plot(values, other, "o")
        limit = 1.05 * max(*values, *other, 1e-6)
        axes.plot([0, limit], [0, limit], "k:", linewidth=1)
        axes.set(ylabel=f"generated, {unit}", xlim=(0, limit), ylim=(0, limit))
    left.set(title="albedo error", xlabel="one skin tone all over, dE")
    right.set(title="left-right difference of albedo", xlabel="true head, stops")
    return figure


def expression(scores: Sequence[Score], groups: dict[str, Group]) -> Any:
    """How often each expression is recognised, and how much of the identity it keeps."""
    figure = new_figure(11, 4.5)
    rows = [row for score in scores for row in score.recognised]
    names = list(dict.fromkeys(row.asked for row in rows))
    places = np.arange(len(names))
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    for offset, how in ((-0.2, "by_landmarks"), (0.2, "by_normals")):
        shares = [
            np.mean([getattr(row, how) == name for row in rows if row.asked == name])
            for name in names
        ]
        left.bar(places + offset, shares, 0.4, label=how.replace("_", " "))
    left.axhline(0.9, color="k", linewidth=1)
    left.set(title="recognised", ylim=(0, 1.02))
    for judge, group in groups.items():
        kept = [group.expressions[name].share if name in group.expressions else np.nan
                for name in names]  # fmt: skip
        right.plot(places, kept, "o", label=judge)
    right.axhline(0.8, color="k", linewidth=1)
    right.set(title="similarity, as a share of the neutral face's")
    for axes in (left, right):
        axes.set_xticks(places, names, rotation=60, ha="right")
        axes.legend()
    return figure


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def new_figure(width: float, height: float) -> Any:
    """An empty figure, inches; without pyplot, which would want a screen and keeps all figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(path: Path, figure: Any) -> None:
    """As PNG. Raises UserError when the disk refuses."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_whole(path, buffer.getvalue())

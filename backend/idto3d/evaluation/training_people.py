# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d evaluate data`: who is in a training set? Sexes, ages, skin, hair, as the paper's Fig. 8.

Read from the captions of the pictures, so it says what the prior is told, for synthetic people and
for scans alike. A caption drops single words at random; over a person's pictures all are named.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.asset.files import write_whole
from idto3d.errors import UNREADABLE_NPZ, UserError
from idto3d.evaluation.plots import MISSING, can_plot, new_figure, write_figure
from idto3d.head.stage_zero import AGE_WORDS
from idto3d.training.looks import HAIR, TONE_WORDS
from idto3d.training.traits import SEXES, traits_of

YAW_STEP = 45  # degrees


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate data`."""
    parser.add_argument("data", type=Path, metavar="DIR", help="folder from `idto3d dataset`")


def run(arguments: argparse.Namespace) -> int:
    """Print the statistics and write them into the folder. Raises UserError for bad input."""
    print(write_statistics(arguments.data))
    return 0


@dataclass(frozen=True)
class Statistics:
    """Counts by word, in a fixed order of words."""

    people: dict[str, dict[str, int]]  # by sex, age, skin, hair, hair colour, beard, accessories
    pictures: dict[str, dict[str, int]]  # by expression, direction, framing
    held_out: int  # people who are never trained on
    tones: np.ndarray  # (P,3) sRGB skin colours, where the set knows them


def read_statistics(folder: Path) -> Statistics:
    """Of a folder that `idto3d dataset` wrote. Raises UserError when it holds no pictures."""
    try:
        header = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        with np.load(folder / "identities.npz", allow_pickle=False) as data:
            identities = {
                name: data[name] for name in ("held_out", "known", "tone") if name in data
            }
        captions: dict[int, list[str]] = {}
        pictures: dict[str, list[Any]] = {"expression": [], "yaw": [], "close_up": []}
        for shard in sorted(folder.glob("shard-*.npz")):
            with np.load(shard, allow_pickle=False) as data:
                for person, caption in zip(data["person"], data["caption"], strict=True):
                    captions.setdefault(int(person), []).append(str(caption))
                for name, values in pictures.items():
                    values.extend(data[name].tolist())
    except (*UNREADABLE_NPZ, ValueError) as error:
        raise UserError(
            f"{folder} is no training set ({error}). Name a folder that `idto3d dataset` wrote."
        ) from error
    if not captions:
        raise UserError(
            f"{folder} holds no pictures yet. Let `idto3d dataset` write a shard first."
        )
    traits = [traits_of(lines) for lines in captions.values()]
    orders: dict[str, Sequence[str]] = {
        "sex": SEXES, "age": AGE_WORDS, "skin": TONE_WORDS, "hair": (),
        "hair colour": tuple(HAIR), "beard": ("none", "stubble", "beard"), "accessories": ("none",),
    }  # fmt: skip
    shown = [header["expressions"][row] for row in pictures["expression"]]
    turned = [YAW_STEP * round(((yaw + 180) % 360 - 180) / YAW_STEP) for yaw in pictures["yaw"]]
    directions = [f"{180 if abs(yaw) == 180 else yaw}°" for yaw in turned]
    framing = ["face" if close else "head" for close in pictures["close_up"]]
    steps = [f"{yaw}°" for yaw in range(-180 + YAW_STEP, 181, YAW_STEP)]
    present = np.array(sorted(captions))
    tones = identities.get("tone")
    return Statistics(
        {name: counted((each[name] for each in traits), order) for name, order in orders.items()},
        {
            "expression": counted(shown, header["expressions"]),
            "direction": counted(directions, steps),
            "framing": counted(framing, ("head", "face")),
        },
        int(identities["held_out"][present].sum()),
        np.zeros((0, 3)) if tones is None else tones[present],
    )


def counted(words: Iterable[str], order: Sequence[str]) -> dict[str, int]:
    """How often each word occurs: those of `order` first and always, others by their number."""
    counts = Counter(words)
    others = [word for word, _ in counts.most_common() if word not in order]
    return {word: counts[word] for word in (*order, *others) if word in order or counts[word]}


def as_text(statistics: Statistics) -> str:
    """A block for each property, with shares."""
    everyone = sum(next(iter(statistics.people.values())).values())
    lines = [f"{everyone} people, {statistics.held_out} of them held out"]
    for groups in (statistics.people, statistics.pictures):
        for name, counts in groups.items():
            total = max(sum(counts.values()), 1)
            words = (f"{word} {n} ({100 * n / total:.0f} %)" for word, n in counts.items())
            lines.append(f"{name}: {', '.join(words)}")
    return "\n".join(lines)


def write_statistics(folder: Path) -> str:
    """statistics.json and, with matplotlib, statistics.png into the set's folder; returns the text.

    Raises UserError when the folder is no training set or the disk refuses.
    """
    found = read_statistics(folder)
    content = {"people": found.people, "pictures": found.pictures, "held_out": found.held_out}
    write_whole(folder / "statistics.json", (json.dumps(content, indent=1) + "\n").encode())
    if not can_plot():
        return f"{as_text(found)}\n{MISSING}"
    write_figure(folder / "statistics.png", draw(found))
    return f"{as_text(found)}\n{folder / 'statistics.json'}, {folder / 'statistics.png'}"


def draw(statistics: Statistics) -> Any:
    """Bars for each property, and every person's skin colour, from pale to dark."""
    figure = new_figure(13, 7.5)
    panels = [*statistics.people.items(), *statistics.pictures.items()]
    for index, (name, counts) in enumerate(panels):
        axes = figure.add_subplot(3, 4, index + 1)
        colour = "tab:blue" if index < len(statistics.people) else "0.55"
        words = list(counts)
        axes.barh(range(len(words)), list(counts.values()), color=colour)
        axes.set_yticks(range(len(words)), words, fontsize=7)
        axes.invert_yaxis()
        axes.tick_params(axis="x", labelsize=7)
        axes.set_title(name if index < len(statistics.people) else f"{name} (pictures)", fontsize=9)
    if len(statistics.tones):
        axes = figure.add_subplot(3, 4, len(panels) + 1)
        order = np.argsort(-statistics.tones.sum(axis=1))
        axes.imshow(np.clip(statistics.tones[order], 0, 1)[None], aspect="auto")
        axes.set_yticks([])
        axes.set_xlabel("people, from pale to dark", fontsize=8)
        axes.set_title("skin colour", fontsize=9)
    return figure

# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d evaluate embeddings`: how far an embedding depends on pose, expression and the number of
photographs (the paper's Fig. 9), for each recogniser, on true heads of held-out people.

    DIR/person-00.npz …            embeddings of one person; what is there isn't made again
    DIR/embeddings.json, .txt      figures, and the same as tables
    DIR/embeddings.png             the same as plots, where matplotlib is installed

Poses and expressions are seen in one even light, so that nothing else differs. Cosines to a
person's own frontal neutral picture are plain, as recognisers are used; recognition ranks people by
centred cosines (see `identity`) to other pictures of them.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d.asset.files import make_folder, write_whole
from idto3d.evaluation.observation import Embeddings, keep, read_kept
from idto3d.evaluation.plots import MISSING, can_plot, new_figure, write_figure
from idto3d.evaluation.scores import aligned
from idto3d.evaluation.sitters import synthetic_people
from idto3d.evaluation.standing import standing

if TYPE_CHECKING:
    from idto3d.evaluation.judges import Judge
    from idto3d.render.environment import EnvironmentLight
    from idto3d.training.people import Person

YAWS = tuple(range(-90, 91, 15))  # degrees
FRONTAL = YAWS.index(0)
MANY = 8  # photographs at most


@dataclass(frozen=True)
class Embedded:
    """One person's pictures, embedded by each judge."""

    gallery: Embeddings  # (P,D) other pictures of the person
    poses: Embeddings  # (len(YAWS),D) neutral
    expressions: Embeddings  # (K,D) frontal, the neutral one first
    photos: Embeddings  # (MANY,D) casual pictures


@dataclass(frozen=True)
class Stability:
    """Of N people by one judge, against a series of X poses, expressions or numbers of photos."""

    own: list[float]  # X mean cosines to the person's own reference
    spread: list[float]  # X standard deviations over people
    others: list[float]  # X mean cosines to other people's references
    rank_one: list[float]  # X shares of people recognised


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate embeddings`."""
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder; goes on with what is there",
    )
    add("--people", type=int, default=10, help="how many people, at least 2")
    add("--ict", type=Path, metavar="DIR", help="as of `idto3d evaluate likeness`")


def run(arguments: argparse.Namespace) -> int:
    """Embed, print the tables and draw. Raises UserError for bad input."""
    table, people = synthetic_people(arguments.people, arguments.ict)
    from idto3d.evaluation.held_out import SEED
    from idto3d.evaluation.judges import judges
    from idto3d.evaluation.portraits import even_light

    who, light = judges(), even_light()
    make_folder(arguments.output)
    found = []
    for index in range(arguments.people):
        person = people.person(SEED, index)
        path = arguments.output / f"person-{index:02d}.npz"
        found.append(embedded(path, person, index, table, who, light))
        print(f"{index + 1} of {arguments.people} people embedded", flush=True)
    names = [row["name"] for row in table]
    series = {judge.name: stabilities(found, judge.name) for judge in who}
    content = {
        judge: {name: dataclasses.asdict(each) for name, each in rows.items()}
        for judge, rows in series.items()
    }
    header = {"people": len(found), "yaw": YAWS, "expressions": names, "photos": MANY}
    write_whole(
        arguments.output / "embeddings.json", json.dumps(header | content, indent=1).encode()
    )
    text = as_text(series, names)
    write_whole(arguments.output / "embeddings.txt", (text + "\n").encode())
    print(text)
    if can_plot():
        write_figure(arguments.output / "embeddings.png", draw(series, names))
    else:
        print(MISSING)
    return 0


def embedded(
    path: Path, person: "Person", index: int, table: list[dict], who: Sequence["Judge"],
    light: "EnvironmentLight",
) -> Embedded:  # fmt: skip
    """Of one person; read from `path` when it is there."""
    from idto3d.evaluation import held_out
    from idto3d.evaluation.judges import embed_pictures
    from idto3d.evaluation.portraits import true_head
    from idto3d.evaluation.probes import portraits

    key = f"{held_out.SEED}/{index}/{person.family}/{','.join(judge.name for judge in who)}"
    if (kept := read_kept(path, key)) is not None:
        return Embedded(**kept[1])

    def by_judge(pictures: np.ndarray, points: np.ndarray) -> Embeddings:
        return {judge.name: embed_pictures(judge, pictures, points) for judge in who}

    neutral = true_head(person)
    posed = [portraits(true_head(person, row["arkit"]), [0.0], [0.0], [light]) for row in table]
    many = held_out.stream(index, held_out.MANY_STREAM)
    found = Embedded(
        by_judge(*held_out.comparison_pictures(person, index, table)),
        by_judge(*portraits(neutral, YAWS, [0.0] * len(YAWS), [light] * len(YAWS))),
        by_judge(*(np.concatenate(each) for each in zip(*posed, strict=True))),
        by_judge(*held_out.casual_portraits(person, MANY, many, table)),
    )
    keep(path, found, key)
    return found


def stabilities(people: Sequence[Embedded], judge: str) -> dict[str, Stability]:
    """'pose' and 'expression' against the frontal neutral picture; 'photos', the mean of the first
    1, 2, … MANY, against the mean of the other pictures, both centred."""
    gallery = np.stack([each.gallery[judge] for each in people])
    poses = np.stack([each.poses[judge] for each in people])
    expressions = np.stack([each.expressions[judge] for each in people])
    photos = np.stack([each.photos[judge] for each in people])
    means = np.stack([photos[:, : count + 1].mean(axis=1) for count in range(MANY)], axis=1)
    middle = gallery.mean(axis=1)
    return {
        "pose": stability(poses, poses[:, FRONTAL], gallery),
        "expression": stability(expressions, expressions[:, 0], gallery),
        "photos": stability(means - means.mean(axis=0), middle - middle.mean(axis=0), gallery),
    }


def stability(series: np.ndarray, reference: np.ndarray, gallery: np.ndarray) -> Stability:
    """series (N,X,D) against references (N,D); recognised among people's pictures (N,P,D)."""
    cosine = np.einsum("nxd,md->xnm", _unit(series), _unit(reference))
    own = np.diagonal(cosine, axis1=1, axis2=2)
    others = (cosine.sum(axis=(1, 2)) - own.sum(axis=1)) / (cosine[0].size - own.shape[1])
    right = np.arange(len(series))
    ranked = [standing(series[:, [x]], gallery, right).rank_one for x in range(series.shape[1])]
    return Stability(own.mean(axis=1).tolist(), own.std(axis=1).tolist(), others.tolist(), ranked)


def as_text(series: dict[str, dict[str, Stability]], names: Sequence[str]) -> str:
    """A table for each series, a block of rows for each judge."""
    heads = {"pose": YAWS, "expression": names, "photos": range(1, MANY + 1)}
    blocks = []
    for name, head in heads.items():
        rows: list[tuple[str, ...]] = [(name, *(str(each) for each in head))]
        for judge, found in series.items():
            each = found[name]
            rows.append((f"own, {judge}", *(f"{value:.2f}" for value in each.own)))
            rows.append((f"others, {judge}", *(f"{value:.2f}" for value in each.others)))
            rows.append((f"rank 1, {judge}", *(f"{100 * value:.0f}%" for value in each.rank_one)))
        blocks.append("\n".join(aligned(rows)))
    return "\n\n".join(blocks)


def draw(series: dict[str, dict[str, Stability]], names: Sequence[str]) -> Any:
    """Cosines above, recognition below; pose, expression, number of photos from left to right."""
    figure = new_figure(14, 7)
    places: dict[str, Sequence[int]] = {
        "pose": YAWS, "expression": range(len(names)), "photos": range(1, MANY + 1),
    }  # fmt: skip
    labels = {"pose": "yaw, degrees", "expression": "", "photos": "photographs"}
    for column, (name, x) in enumerate(places.items()):
        above, below = (figure.add_subplot(2, 3, 3 * row + column + 1) for row in (0, 1))
        style = "o" if name == "expression" else "o-"
        kind = "centred " if name == "photos" else ""
        for number, (judge, found) in enumerate(series.items()):
            each, colour = found[name], f"C{number}"
            above.errorbar(
                x, each.own, each.spread, fmt=style, color=colour, capsize=2, label=judge
            )
            above.plot(x, each.others, "x:" if style == "o-" else "x", color=colour,
                       label=f"{judge}, other people")  # fmt: skip
            below.plot(x, each.rank_one, style, color=colour, label=judge)
        above.set(title=f"{name}: {kind}cosine", ylim=(min(-0.3, above.get_ylim()[0]), 1.05))
        below.set(title="rank 1", xlabel=labels[name], ylim=(-0.02, 1.05))
        for axes in (above, below):
            axes.set_xticks(list(x))
            if name == "expression":
                axes.set_xticklabels(names, rotation=60, ha="right", fontsize=7)
        above.legend(fontsize=7)
    return figure


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)

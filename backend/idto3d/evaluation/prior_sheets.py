# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d evaluate prior`: what the prior draws of people it has never seen, as sheets like the
paper's Figs. 5, 6 and 7: by pose, by expression, by identity; and by what the caption asks for.
How many eyes are drawn in albedo is counted.

The adapted priors are told the identity, the expression and the caption, and see the normals of the
template that stage 0 shapes; beside them the base is told the caption alone and sees the unshaped
template. How well faces are recognised in the drawn albedo and in the base's photos stands in
prior.json; the normals no recogniser reads.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from idto3d.asset.files import make_folder, write_whole
from idto3d.assets import ASSETS, PRIOR
from idto3d.errors import UserError
from idto3d.evaluation.contact_sheet import Row, write_contact_sheet
from idto3d.evaluation.sitters import synthetic_people
from idto3d.render.eight_bits import eight_bits

if TYPE_CHECKING:
    from idto3d.head.template import Template
    from idto3d.prior.load import Prior
    from idto3d.render.cameras import Cameras
    from idto3d.training.people import Person

YAWS = (-90.0, -45.0, 0.0, 45.0, 90.0, 180.0)  # degrees, of the sheet of poses
JUDGED_YAWS = (-20.0, 0.0, 20.0)
SHOWN_PEOPLE = 3  # on the sheets of poses, expressions and words
EYE_YAWS = (-30.0, -15.0, 0.0, 15.0, 30.0)  # at which both eyes are seen
ASKED_YAW = 30.0  # of the sheet of words
# What the caption says in place of the person's own words.
ASKED: dict[str, dict[str, str]] = {
    "own words": {},
    "glasses": {"worn": "glasses"},
    "earrings": {"worn": "earrings"},
    "long hair": {"hair": "long dark brown hair"},
    "tied hair": {"hair": "tied dark brown hair"},
    "curly hair": {"hair": "curly dark brown hair"},
    "red hair": {"hair": "full red hair"},
    "no hair": {"hair": "no hair"},
    "a beard": {"beard": "a beard"},
}
PAINTERS = {
    "geometry": "normals",
    "albedo": "albedo",
    "photo": "base model, text alone",
}


@dataclass(frozen=True)
class Sitter:
    """Whom the prior is to draw."""

    person: "Person"
    identity: torch.Tensor  # (N,D) embeddings of pictures of the person
    shape: torch.Tensor  # (V,3) the template as stage 0 shapes it


@dataclass(frozen=True)
class Drawing:
    """How pictures are drawn: the same noise for everybody, so that only what is told differs."""

    guidance: float
    steps: int
    seed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d evaluate prior`."""
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="DIR", help="folder of the sheets")
    add("--prior", type=Path, default=PRIOR, metavar="DIR", help="another than the shipped one")
    add("--people", type=int, default=8, help="how many people on the sheet of identities")
    add("--ict", type=Path, metavar="DIR", help="as of `idto3d evaluate likeness`")
    add("--guidance", type=float, default=2.0, help="1 is the plain conditional sample")
    add("--steps", type=int, default=50, help="of the sampler")
    add("--seed", type=int, default=0, help="of the noise")


def run(arguments: argparse.Namespace) -> int:
    """Draw the sheets. Raises UserError for bad input."""
    table, people = synthetic_people(arguments.people, arguments.ict)
    from idto3d.evaluation import held_out
    from idto3d.head.stage_zero import load_stage_zero
    from idto3d.prior.load import load_prior

    priors = {domain: load_prior(arguments.prior, domain) for domain in PAINTERS}
    encoder = priors["photo"].manifest.identity_encoder
    if encoder != "dlib":
        raise UserError(
            f"This prior reads {encoder}'s embeddings. Sheets are drawn for dlib's only."
        )
    stage_zero = load_stage_zero(ASSETS / "template" / "stage_zero.npz")
    sitters = []
    for index in range(arguments.people):
        person = people.person(held_out.SEED, index)
        embeddings = held_out.comparison_embeddings(person, index, table)
        shape = people.fine.neutral(stage_zero.guess(embeddings).coefficients)
        sitters.append(Sitter(person, torch.from_numpy(embeddings), shape))
    drawing = Drawing(arguments.guidance, arguments.steps, arguments.seed)
    studio = Studio(priors, people.fine, table, drawing)
    make_folder(arguments.output)
    _poses(arguments.output / "poses.png", studio, sitters[:SHOWN_PEOPLE])
    _expressions(arguments.output / "expressions.png", studio, sitters[:SHOWN_PEOPLE])
    _asked(arguments.output / "words.png", studio, sitters[:SHOWN_PEOPLE])
    figures = _identities(arguments.output / "identities.png", studio, sitters)
    eyes = _eyes(studio, sitters)
    content = {"guidance": drawing.guidance, "steps": drawing.steps, "seed": drawing.seed,
               "people": len(sitters), "recognised": figures, "eyes": eyes}  # fmt: skip
    write_whole(arguments.output / "prior.json", (json.dumps(content, indent=1) + "\n").encode())
    for painter, judges in figures.items():
        for judge, each in judges.items():
            print(f"{painter}, {judge}: rank 1 {100 * each['rank_one']:.0f} %, "
                  f"similarity {each['similarity']:.2f}")  # fmt: skip
    print(f"eyes of whole heads in albedo: {100 * eyes['drawn']:.0f} % drawn, "
          f"{100 * eyes['autoencoder']:.0f} % kept by the autoencoder alone")  # fmt: skip
    print(f"{arguments.output}: poses.png, expressions.png, words.png, identities.png, prior.json")
    return 0


class Studio:
    """Three painters and what they are shown."""

    def __init__(
        self, priors: "dict[str, Prior]", template: "Template", table: list[dict],
        drawing: Drawing,
    ) -> None:  # fmt: skip
        from idto3d.texture.hint_paint import hint_paint

        self.priors, self.template, self.drawing = priors, template, drawing
        self.paint = hint_paint(template)
        self.arkit = {row["name"]: row["arkit"] for row in table}
        self.texts = {row["name"]: row["text"] for row in table}

    def draw(
        self, painter: str, sitter: Sitter, cameras: "Cameras", names: Sequence[str]
    ) -> np.ndarray:
        """(B,S,S,3) uint8, for each of B cameras with its expression."""
        from idto3d.prior.captions import view_words
        from idto3d.prior.sampling import sample_latents
        from idto3d.render.normals import supersampled
        from idto3d.training.looks import caption

        prior, told = self.priors[painter], painter != "photo"
        size, everything = prior.manifest.image_size, np.ones(5, dtype=bool)
        captions = [
            caption(view_words(float(yaw), float(pitch), False), sitter.person.words, everything)
            for yaw, pitch in zip(cameras.yaw, cameras.pitch, strict=True)
        ]
        if told:
            condition = prior.condition(captions, sitter.identity, list(names))
            moves = [self.template.expression(self.arkit[name]) for name in names]
            shapes = torch.stack([sitter.shape + move for move in moves])
        else:
            # The base was never taught the words of expressions; text is all that it is told.
            spoken = [
                f"{words}, {self.texts[name]}" for words, name in zip(captions, names, strict=True)
            ]
            condition = prior.condition(spoken)
            shapes = self.template.mean.expand(len(names), -1, -1)
        hint = None
        if prior.manifest.spatial_hint:
            colours = self.paint if prior.manifest.painted_hint else None
            pictures = supersampled(shapes, self.template.faces, cameras, size, colours)
            parts = [prior.encode(each.movedim(-1, 1)) for each in pictures]
            hint = torch.cat(parts, dim=1).detach()
        latent = prior.encode(torch.zeros(1, 3, size, size)).shape[1:]
        generator = torch.Generator().manual_seed(self.drawing.seed)

        def noise() -> torch.Tensor:
            return torch.randn(1, *latent, generator=generator).expand(len(names), -1, -1, -1)

        latents = sample_latents(
            prior.denoise, prior.schedule, condition, prior.unconditional(len(names)), hint,
            noise(), self.drawing.guidance, noise, self.drawing.steps,
        )  # fmt: skip
        with torch.no_grad():
            return eight_bits(prior.decode(latents).movedim(1, -1))


def _cameras(yaw: Sequence[float]) -> "Cameras":
    from idto3d.render.cameras import orbit

    return orbit(torch.tensor(yaw), 0.0, 2.6, (0.0, 0.0, 0.05), 19.0)


def _poses(path: Path, studio: Studio, sitters: Sequence[Sitter]) -> None:
    rows = []
    for number, sitter in enumerate(sitters):
        for painter, name in PAINTERS.items():
            pictures = studio.draw(painter, sitter, _cameras(YAWS), ["neutral"] * len(YAWS))
            rows.append(Row(f"Person {number}, {_words(sitter)}: {name}", list(pictures)))
    write_contact_sheet(path, [f"{yaw:.0f}°" for yaw in YAWS], rows)


def _expressions(path: Path, studio: Studio, sitters: Sequence[Sitter]) -> None:
    names = [
        name for name in studio.arkit if name in studio.priors["albedo"].manifest.expression_texts
    ]
    rows = []
    for number, sitter in enumerate(sitters):
        for painter, name in PAINTERS.items():
            pictures = studio.draw(painter, sitter, _cameras([15.0] * len(names)), names)
            rows.append(Row(f"Person {number}, {_words(sitter)}: {name}", list(pictures)))
    write_contact_sheet(path, names, rows)


def _asked(path: Path, studio: Studio, sitters: Sequence[Sitter]) -> None:
    """A column for each wish; whose face it is stays the same."""
    rows = []
    for number, sitter in enumerate(sitters):
        wishes = [
            dataclasses.replace(sitter.person, words={**sitter.person.words, **words})
            for words in ASKED.values()
        ]
        for painter, name in PAINTERS.items():
            pictures = [
                studio.draw(
                    painter, dataclasses.replace(sitter, person=wish), _cameras([ASKED_YAW]),
                    ["neutral"],
                )[0]
                for wish in wishes
            ]  # fmt: skip
            rows.append(Row(f"Person {number}, {_words(sitter)}: {name}", pictures))
    write_contact_sheet(path, list(ASKED), rows)


def _identities(
    path: Path, studio: Studio, sitters: Sequence[Sitter]
) -> dict[str, dict[str, dict[str, float]]]:
    """A column for each person, true pictures below; recognition by painter and judge."""
    from idto3d.evaluation.held_out import comparison_pictures
    from idto3d.evaluation.judges import embed_pictures, judges
    from idto3d.evaluation.portraits import FIVE_POINTS, even_light, take, true_head
    from idto3d.evaluation.standing import standing
    from idto3d.training.dataset import screen_points

    cameras, front = _cameras(JUDGED_YAWS), JUDGED_YAWS.index(0.0)
    neutral = ["neutral"] * len(JUDGED_YAWS)
    drawn = {
        painter: [studio.draw(painter, sitter, cameras, neutral) for sitter in sitters]
        for painter in PAINTERS
    }
    light, size = even_light(), studio.priors["photo"].manifest.image_size
    true = [take(true_head(each.person), cameras[front], [light], size)[0] for each in sitters]
    rows = [
        Row(name, [each[front] for each in drawn[painter]]) for painter, name in PAINTERS.items()
    ]
    captions = [_words(sitter) for sitter in sitters]
    write_contact_sheet(path, captions, [*rows, Row("true heads", true)])
    table = [{"arkit": studio.arkit[name]} for name in studio.arkit]
    other = [comparison_pictures(each.person, index, table) for index, each in enumerate(sitters)]
    marks = studio.template.landmarks[list(FIVE_POINTS)]
    right = np.arange(len(sitters))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for painter in ("albedo", "photo"):
        found[PAINTERS[painter]] = {}
        for judge in judges():
            gallery = np.stack([embed_pictures(judge, *each) for each in other])
            probes = []
            for sitter, pictures in zip(sitters, drawn[painter], strict=True):
                # The face lies where the template did that was shown.
                shape = sitter.shape if painter != "photo" else studio.template.mean
                points = screen_points(shape[marks].expand(len(cameras), -1, -1), cameras, size)
                probes.append(embed_pictures(judge, pictures, points))
            place = standing(np.stack(probes), gallery, right)
            found[PAINTERS[painter]][judge.name] = dataclasses.asdict(place)
    return found


def _eyes(studio: Studio, sitters: Sequence[Sitter]) -> dict[str, float]:
    """Share of eyes that are drawn in albedo of whole heads, and that the autoencoder keeps."""
    from idto3d.evaluation.drawn_eyes import DRAWN, eye_likeness
    from idto3d.training.dataset import screen_points
    from idto3d.training.views import render_views

    cameras, prior = _cameras(EYE_YAWS), studio.priors["albedo"]
    size, count = prior.manifest.image_size, len(EYE_YAWS)
    landmarks = studio.template.landmarks
    likeness: dict[str, list[np.ndarray]] = {"drawn": [], "autoencoder": []}
    for sitter in sitters:
        shape = torch.from_numpy(sitter.person.neutral).expand(count, -1, -1)
        views = render_views(sitter.person, shape, cameras, size, np.random.default_rng(0))
        own = screen_points(shape[:, sitter.person.landmarks], cameras, size)
        told = screen_points(sitter.shape[landmarks].expand(count, -1, -1), cameras, size)
        true = eight_bits(views.albedo)
        with torch.no_grad():
            kept = eight_bits(
                prior.decode(prior.encode(views.albedo.movedim(-1, 1))).movedim(1, -1)
            )
        drawn = studio.draw("albedo", sitter, cameras, ["neutral"] * count)
        likeness["drawn"].append(eye_likeness(drawn, told, true, own))
        likeness["autoencoder"].append(eye_likeness(kept, own, true, own))
    return {name: float((np.stack(each) > DRAWN).mean()) for name, each in likeness.items()}


def _words(sitter: Sitter) -> str:
    words = sitter.person.words
    return f"{words['age']} {words['gender']}"

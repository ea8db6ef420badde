# SPDX-License-Identifier: GPL-3.0-or-later
"""How a synthetic person is dressed: hairstyle, beard, wrinkles, teeth, lashes, accessories."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from idto3d.anatomy.attach import teeth_and_lashes
from idto3d.head.regions import LEFT_EYE
from idto3d.head.template import Template
from idto3d.texture.paint import Look
from idto3d.training.attire import accessories, hair
from idto3d.training.attire.surfaces import Worn
from idto3d.training.attire.wrinkles import Relief

if TYPE_CHECKING:
    from idto3d.training.people import Person

# Of people with a full head of hair; what is left keeps it short.
STYLES = {
    "woman": {"long": 0.45, "tied": 0.2, "curly": 0.15},
    "man": {"long": 0.12, "tied": 0.08, "curly": 0.2},
}
GLASSES = 0.3  # of all people
EARRINGS = {"woman": 0.4, "man": 0.08}
WRINKLES = {"young": 0.1, "middle aged": 0.5, "old": 1.0}  # how deep


def restyled(look: Look, words: dict[str, str], random: np.random.Generator) -> tuple[Look, dict]:
    """The look and its words after a visit to the hairdresser."""
    words = dict(words)
    if look.beard > 0.45:
        look = replace(look, beard_thickness=float(random.uniform(0.1, 1.2)))
    if words["hair"].startswith("full"):
        odds = STYLES[words["gender"]]
        style = str(random.choice([*odds, "full"], p=[*odds.values(), 1 - sum(odds.values())]))
        words["hair"] = words["hair"].replace("full", style, 1)
        if style == "curly":
            thick, curl = random.uniform(1.5, 4.5), random.uniform(0.5, 0.9)
            look = replace(look, hair_thickness=float(thick), curl=float(curl))
        elif style == "tied":
            look = replace(look, hair_thickness=float(random.uniform(0.2, 0.7)))
    return look, words


def dressed(
    person: "Person", look: Look, template: Template, random: np.random.Generator
) -> "Person":
    """The person with wrinkles, teeth, lashes, hanging or tied hair, and perhaps accessories."""
    marks = person.bare[person.landmarks]
    depth = float(WRINKLES[person.words["age"]] * random.uniform(0.4, 1.0))
    relief = Relief(marks, depth, int(random.integers(1 << 20)))
    style = person.words["hair"].split()[0]
    colour = np.clip(np.array(look.hair), 0, 1)
    head = person.neutral[person.part < LEFT_EYE]
    grown: list[Worn] = []
    if person.family == "anny":
        grown.append(_mouth_and_lids(template, person.neutral, look))
    if style == "long":
        grown.append(hair.hanging(head, marks, colour, random))
    elif style == "tied":
        grown.append(hair.tied(head, marks, colour, random))
    taken: list[Worn] = []
    names = []
    if random.random() < GLASSES:
        taken.append(accessories.glasses(head, marks, random))
        names.append("glasses")
    if style != "long" and random.random() < EARRINGS[person.words["gender"]]:
        taken.append(accessories.earrings(head, marks, random))
        names.append("earrings")
    words = {**person.words, "worn": " and ".join(names)}
    return replace(person, words=words, relief=relief, grown=tuple(grown), accessories=tuple(taken))


def _mouth_and_lids(template: Template, neutral: np.ndarray, look: Look) -> Worn:
    """Teeth, gums and lashes of a head on the template's mesh, which has none (ICT's has teeth)."""
    # A subdivided mesh begins with the vertices that it had before.
    count = len(template.mean)

    def fitted(shapes: np.ndarray) -> np.ndarray:
        poses = np.concatenate([neutral[None, :count], shapes[:, :count]])
        return teeth_and_lashes(template, poses, look.hair).positions[1:][:, rest.original]

    rest = teeth_and_lashes(template, neutral[None, :count], look.hair)
    return Worn(
        fitted, rest.faces, rest.material[:, :3], rest.material[:, 3],
        np.zeros(len(rest.original)), rest.occlusion,
    )  # fmt: skip

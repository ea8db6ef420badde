# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure one held-out person and the head that was generated, each once; what is kept is kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idto3d.assets import ASSETS
from idto3d.evaluation import held_out, probes
from idto3d.evaluation.albedo import AlbedoError, ColoursAt, albedo_error
from idto3d.evaluation.baked_light import baked_light, opposite_lights
from idto3d.evaluation.expression import Recognised, Reference, features, recognise
from idto3d.evaluation.finished_head import finished_heads
from idto3d.evaluation.geometry import Surface, TrueFace
from idto3d.evaluation.held_out import Case
from idto3d.evaluation.judges import Judge, embed_pictures
from idto3d.evaluation.observation import (
    Observation,
    Surfaces,
    Truth,
    keep,
    kept_observation,
    kept_truth,
)
from idto3d.evaluation.portraits import lights, true_head
from idto3d.evaluation.whole_head import TrueHead
from idto3d.head.regions import SKIN
from idto3d.head.rigid_motion import RigidMotion
from idto3d.head.stage_zero import FirstGuess, load_stage_zero
from idto3d.identity import open_encoder, person_from_photos
from idto3d.pictures import Finished
from idto3d.render.environment import EnvironmentLight
from idto3d.training.people import People

UNCOVERED = 0.05  # weight of hair below which skin is bare


@dataclass(frozen=True)
class Bench:
    """What all people are measured with."""

    people: People
    table: list[dict]  # rows of assets/expressions.json
    judges: tuple[Judge, ...]
    environments: list[EnvironmentLight]  # that portraits are taken in
    opposite: tuple[EnvironmentLight, EnvironmentLight]

    @property
    def key(self) -> str:
        return ",".join(judge.name for judge in self.judges)


def bench(people: People, table: list[dict], judges: tuple[Judge, ...]) -> Bench:
    """With the lights that every evaluation has."""
    return Bench(people, table, judges, lights(), opposite_lights())


def truth(case: Case, tools: Bench) -> Truth:
    """Of one person; read from the person's folder when it is there."""
    path = case.job.root.parent / "truth.npz"
    key = f"{held_out.SEED}/{case.index}/{case.person.family}/{tools.key}"
    if (kept := kept_truth(path, key)) is not None:
        return kept
    head = true_head(case.person)
    pictures = held_out.comparison_pictures(case.person, case.index, tools.table)
    found = Truth(
        {judge.name: embed_pictures(judge, *pictures) for judge in tools.judges},
        probes.from_random_sides(
            head, tools.environments, held_out.stream(case.index, held_out.CEILING_STREAM),
            tools.judges,
        ),
        probes.by_pose(
            head, tools.environments, held_out.stream(case.index, held_out.TRUE_POSE_STREAM),
            tools.judges,
        ),
        baked_light(head, tools.opposite),
    )  # fmt: skip
    keep(path, found, key)
    return found


def observation(case: Case, tools: Bench) -> Observation:
    """Of one finished head; read from the person's folder when it is there and of this head."""
    surface = case.job.result / "surface.npz"
    path = case.job.root.parent / "measured.npz"
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (surface, case.job.head)]
    key = "/".join([*hashes, tools.key])
    if (kept := kept_observation(path, key)) is not None:
        return kept
    found = _measure(case, Finished.load(surface), tools)
    keep(path, found, key)
    return found


def _measure(case: Case, finished: Finished, tools: Bench) -> Observation:
    fine, environments, judges = tools.people.fine, tools.environments, tools.judges
    heads = finished_heads(case.job.result, finished, fine)
    neutral, faces, landmarks = heads[0], finished.faces, fine.landmarks.numpy()
    guess = _first_guess(case)
    shapes = {
        "template": fine.mean.numpy(),
        "stage_zero": fine.neutral(guess.coefficients).numpy(),
        "generated": finished.poses[0].astype(np.float32),
    }
    face = true_face(case)
    whole = TrueHead(case.person.neutral, case.person.faces, case.person.landmarks)
    surfaces, motions = {}, {}
    for name, shape in shapes.items():
        on_face, motions[name] = face.compare(shape, faces, landmarks)
        surfaces[name] = Surfaces(
            on_face,
            face.apart_from_size(shape, faces, landmarks),
            whole.distance(shape, faces, motions[name]),
        )

    def one_tone(points: np.ndarray, areas: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.array(guess.tone), points.shape)

    return Observation(
        finished.expressions,
        probes.from_random_sides(
            neutral, environments, held_out.stream(case.index, held_out.PORTRAIT_STREAM), judges
        ),
        probes.by_pose(
            neutral, environments, held_out.stream(case.index, held_out.POSE_STREAM), judges
        ),
        probes.by_expression(
            heads, environments, held_out.stream(case.index, held_out.EXPRESSION_STREAM), judges
        ),
        tuple(_recognised(case, finished, face, landmarks, tools.table)),
        baked_light(neutral, tools.opposite),
        **surfaces,
        albedo=_albedo(case, face, neutral.colours, motions["generated"]),
        first_albedo=_albedo(case, face, one_tone, motions["generated"]),
    )


def true_face(case: Case) -> TrueFace:
    """The person's face without hair; skin that hair covers is left out."""
    person = case.person
    skin = (person.part == SKIN) & (person.paint.hair < UNCOVERED)
    return TrueFace(person.bare, person.faces, skin, person.landmarks)


def _first_guess(case: Case) -> FirstGuess:
    seen = person_from_photos(case.photos, open_encoder("dlib"))
    return load_stage_zero(ASSETS / "template" / "stage_zero.npz").guess(seen.embeddings)


def _albedo(case: Case, face: TrueFace, colours: ColoursAt, motion: RigidMotion) -> AlbedoError:
    person = case.person
    surface = Surface(person.bare, person.faces)
    return albedo_error(face, surface, person.paint.albedo, colours, motion)


def _recognised(
    case: Case, finished: Finished, face: TrueFace, landmarks: np.ndarray, table: list[dict]
) -> Sequence[Recognised]:
    """Against the same expressions of the true head, which has a rig of its own."""
    if len(finished.expressions) < 2:
        return ()
    person = case.person
    places = Reference(face.points, person.bare[person.landmarks].astype(np.float64))
    true = features(
        person.bare, [person.bare + person.displacement(row["arkit"]) for row in table],
        person.faces, person.landmarks, places,
    )  # fmt: skip
    poses = finished.poses.astype(np.float32)
    found = features(poses[0], list(poses[1:]), finished.faces, landmarks, places)
    return recognise(finished.expressions[1:], found, [row["name"] for row in table], true)

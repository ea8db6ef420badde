# SPDX-License-Identifier: GPL-3.0-or-later
"""What went into a head: the provenance of a run."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

from idto3d.asset.provenance import Ingredient, describe
from idto3d.identity import Person
from idto3d.prior.manifest import read_manifest
from idto3d.run import Run


def describe_run(run: Run, person: Person) -> dict[str, Any]:
    """The provenance: versions, seed, prior and licences, photo hashes, settings, timings."""
    manifest = read_manifest(run.prior_folder)
    free_encoder = person.encoder == "dlib"
    ingredients = [
        Ingredient("prior", manifest.name, manifest.licence, manifest.licence.startswith("CC0")),
        Ingredient("template", "MakeHuman head", "CC0-1.0", True)
        if run.request.template is None
        else Ingredient("template", run.template_folder.name, "the head model's own", False),
        Ingredient("landmarks", "trained on synthetic people", "CC0-1.0", True),
        Ingredient(
            "identity encoder",
            person.encoder,
            "CC0-1.0" if free_encoder else "non-commercial research",
            free_encoder,
        ),
    ]
    if run.request.photo_prior:
        photo_prior = read_manifest(run.prior_for("photo"))
        licence = photo_prior.licence
        ingredients.append(
            Ingredient("photo prior", photo_prior.name, licence, licence.startswith("CC0"))
        )
    provenance = describe(
        [(photo.name, photo.sha256) for photo in person.photos],
        ingredients,
        {"preset": run.request.preset, **dataclasses.asdict(run.settings)},
        run.request.seed,
        run.timings,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return {
        **provenance,
        "likeness_consent": run.request.consent,
        "description": run.request.description,
        "stopped_after": run.stopped_after,
    }

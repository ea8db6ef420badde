# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for the captions of scanned people, guessed from how their faces look.

They save typing and are to be checked: the guess has learned from synthetic people alone, and says
how a face looks to it, not who somebody is.
"""

from collections.abc import Sequence

import numpy as np

from idto3d.errors import UserError
from idto3d.head.stage_zero import StageZero
from idto3d.head.template import Template
from idto3d.training.dataset import DatasetSettings
from idto3d.training.nphm import Scan, placed, read_scan, shift_to_template
from idto3d.training.nphm_dataset import Recognition, embeddings
from idto3d.training.nphm_tables import Subject


def guess_words(
    scans: Sequence[Scan], template: Template, settings: DatasetSettings,
    recognition: Recognition, stage_zero: StageZero,
) -> dict[int, tuple[str, str]]:  # fmt: skip
    """Gender and age for each subject on whose first scan a face is found; prints the others."""
    first: dict[int, Scan] = {}
    for scan in sorted(scans, key=lambda scan: (scan.subject, scan.expression)):
        first.setdefault(scan.subject, scan)
    found = {}
    for number, scan in first.items():
        nobody = Subject(number, "", "", "", "", False)
        random = np.random.default_rng([settings.seed, 3, number])
        try:
            mesh = read_scan(scan.path)
            meshes = [placed(mesh, shift_to_template(mesh, template))]
            guess = stage_zero.guess(embeddings(meshes, nobody, settings, recognition, random))
        except UserError as error:
            print(f"Subject {number:03d} has no guess: {error}", flush=True)
            continue
        found[number] = (guess.gender_word(), guess.age_word())
        print(f"Subject {number:03d}: {guess.words()}", flush=True)
    return found

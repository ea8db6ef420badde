# SPDX-License-Identifier: GPL-3.0-or-later
"""Two random people with every expression of the list, and their teeth and lashes."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from idto3d.anatomy.attach import Attached, teeth_and_lashes
from idto3d.assets import ASSETS
from idto3d.head.template import Template, load_template

HAIR = (0.2, 0.14, 0.1)


@dataclass(frozen=True)
class SomePerson:
    """A random shape in all expressions."""

    expressions: tuple[str, ...]  # K names, the neutral one first
    poses: np.ndarray  # (K,V,3) float32
    attached: Attached

    def pose(self, name: str) -> int:
        return self.expressions.index(name)


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="session")
def people(template: Template) -> list[SomePerson]:
    listed = json.loads((ASSETS / "expressions.json").read_text("utf-8"))["expressions"]
    names = tuple(entry["name"] for entry in listed)
    generator = torch.Generator().manual_seed(5)
    found = []
    for _ in range(2):
        shape = template.neutral(torch.randn(len(template.identity_basis), generator=generator))
        poses = torch.stack([shape + template.expression(entry["arkit"]) for entry in listed])
        attached = teeth_and_lashes(template, poses.numpy(), HAIR)
        found.append(SomePerson(names, poses.numpy(), attached))
    return found

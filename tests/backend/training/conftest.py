# SPDX-License-Identifier: GPL-3.0-or-later
"""The synthetic population, made once: it takes seconds."""

from typing import TYPE_CHECKING

import pytest

from idto3d.assets import ASSETS
from idto3d.head.template import Template, load_template

if TYPE_CHECKING:
    from idto3d.training.people import People

WITHOUT_ANNY = "anny is not installed: pip install 'idto3d[train]'"


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz")


@pytest.fixture(scope="session")
def people(template: Template) -> "People":
    """Heads from anny alone, as they are without ICT-FaceKit."""
    pytest.importorskip("anny", reason=WITHOUT_ANNY)
    from idto3d.training.people import People

    return People(template, None)

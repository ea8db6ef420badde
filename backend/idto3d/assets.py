# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files that come with the program lie: the prior, the template, the expression list."""

import json
from pathlib import Path

# backend/ and assets/ stand side by side in the repository and in Blender's extension.
ASSETS = Path(__file__).resolve().parents[2] / "assets"
# The compact prior, used where a request names no other.
PRIOR = ASSETS / "prior"
# The parametric head and stage 0's regression, likewise.
TEMPLATE = ASSETS / "template"


def expression_names(path: Path = ASSETS / "expressions.json") -> tuple[str, ...]:
    """The names of the expression vocabulary, in its order; `neutral` is the first."""
    vocabulary = json.loads(path.read_text(encoding="utf-8"))
    return tuple(entry["name"] for entry in vocabulary["expressions"])

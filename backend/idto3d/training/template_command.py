# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d template flame FILE | ict DIR --output DIR`: another head model as template."""

import argparse
from pathlib import Path

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.head.stage_zero import load_stage_zero
from idto3d.head.template import load_template
from idto3d.training import foreign_template

_LICENCES = {
    "flame": "FLAME has a licence of its own, by default for non-commercial research.",
    "ict": "ICT-FaceKit is under the MIT licence.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d template`."""
    parser.add_argument("model", choices=tuple(_LICENCES))
    parser.add_argument("source", type=Path, help="FLAME's .npz, or ICT-FaceKit's folder")
    parser.add_argument("--output", type=Path, required=True, help="folder for --template")


def run(arguments: argparse.Namespace) -> None:
    """Convert and write. Raises UserError for a source that can't be used."""
    if (arguments.output / "head.npz").exists():
        raise UserError(f"{arguments.output} holds a template already. Name another folder.")
    print(_LICENCES[arguments.model])
    shipped = load_template(ASSETS / "template" / "head.npz")
    read = {"flame": foreign_template.read_flame, "ict": foreign_template.read_ict}
    model = read[arguments.model](arguments.source, shipped)
    template, matrix = foreign_template.convert(model, shipped)
    stage = load_stage_zero(ASSETS / "template" / "stage_zero.npz")
    stage = foreign_template.convert_stage_zero(stage, matrix)
    foreign_template.write_folder(arguments.output, template, stage)
    print(f"{len(template.mean)} vertices. Use it with --template {arguments.output}.")

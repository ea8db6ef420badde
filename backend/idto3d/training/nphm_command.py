# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d dataset --nphm DIR`: scans and tables to a training set."""

import argparse
import math

from idto3d.assets import TEMPLATE
from idto3d.errors import UserError
from idto3d.head.stage_zero import load_stage_zero
from idto3d.head.template import load_template
from idto3d.identity.encoders import open_encoder, open_finder
from idto3d.training import nphm_dataset
from idto3d.training.dataset import DatasetSettings, expression_table
from idto3d.training.nphm import find_scans
from idto3d.training.nphm_tables import read_tables, write_tables
from idto3d.training.nphm_words import guess_words


def run_scans(arguments: argparse.Namespace) -> None:
    """Write the tables, or render by them. Raises UserError for bad input."""
    if arguments.tables is None:
        raise UserError(
            "Scans need words and names of expressions. Name a folder for the tables with "
            "--tables, and make them with --write-tables."
        )
    scans = find_scans(arguments.nphm, arguments.mesh)
    if arguments.write_tables:
        guessed: dict[int, tuple[str, str]] = {}
        if arguments.guess_words:
            guessed = guess_words(
                scans,
                load_template(arguments.template),
                DatasetSettings(),
                nphm_dataset.Recognition(open_encoder("dlib"), open_finder("dlib")),
                load_stage_zero(TEMPLATE / "stage_zero.npz"),
            )
        write_tables(arguments.tables, scans, guessed)
        print(f"Fill in the tables in {arguments.tables}, then leave --write-tables out.")
        return
    table = expression_table(arguments.vocabulary)
    tables = read_tables(arguments.tables, [row["name"] for row in table])
    views = arguments.views
    if arguments.samples is not None:
        views = math.ceil(arguments.samples / len(tables.people))
    name = "dlib" if arguments.identity_model is None else "insightface"
    recognition = nphm_dataset.Recognition(
        open_encoder(name, arguments.identity_model),
        open_finder(name, arguments.identity_model),
        arguments.photos,
    )
    left_out = nphm_dataset.build(
        arguments.output,
        scans,
        tables,
        load_template(arguments.template),
        DatasetSettings(image_size=arguments.image_size, views=views),
        recognition,
        table,
    )
    for sentence in left_out:
        print(sentence)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The command-line options that say how a head is made, shared by the commands that make some."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d.job.protocol import Request

OFFLINE = "end with an error should anything want the network"


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Expressions, preset, seed, device, prior and single settings."""
    parser.add_argument(
        "--expressions",
        default="",
        metavar="A,B,...",
        help="expressions beside the neutral face, for example smile,jaw_open",
    )
    parser.add_argument(
        "--preset",
        choices=("draft", "standard", "paper"),
        default="draft",
        help="draft: minutes on a CPU; standard; paper: the settings of the paper, for a GPU",
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed and machine, same head")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--vram",
        type=float,
        metavar="GB",
        help="use no more than this of the GPU's memory, however much slower it gets",
    )
    parser.add_argument(
        "--prior", type=Path, metavar="DIR", help="another diffusion prior than the shipped one"
    )
    parser.add_argument(
        "--photo-prior",
        type=Path,
        metavar="DIR",
        help="a photoreal text-to-image folder for the texture's last steps (refine_iterations)",
    )
    parser.add_argument(
        "--template", type=Path, metavar="DIR", help="a head model made by 'idto3d template'"
    )
    parser.add_argument(
        "--identity-model",
        type=Path,
        metavar="FILE",
        help="the InsightFace model that a prior for InsightFace needs (non-commercial research)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="replace one setting of the preset; may be given several times",
    )
    parser.add_argument(
        "--no-teeth-and-lashes",
        action="store_true",
        help="leave teeth, gums and eyelashes out, for heads that get others",
    )
    parser.add_argument("--offline", action="store_true", help=OFFLINE)


def request_from(arguments: argparse.Namespace) -> Request:
    """A request without photos from parsed options; paths become absolute.

    Raises UserError for an override that is none.
    """
    overrides = parse_overrides(arguments.set)
    if arguments.no_teeth_and_lashes:
        overrides["asset.teeth_and_lashes"] = False
    expressions = (word.strip() for word in arguments.expressions.split(","))
    return Request(
        photos=(),
        expressions=tuple(dict.fromkeys(word for word in expressions if word)),
        preset=arguments.preset,
        seed=arguments.seed,
        device=arguments.device,
        prior=_absolute(arguments.prior),
        identity_model=_absolute(arguments.identity_model),
        overrides=overrides,
        photo_prior=_absolute(arguments.photo_prior),
        template=_absolute(arguments.template),
        vram=arguments.vram,
    )


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`["geometry.steps=20", "light=fixed"]` -> `{"geometry.steps": 20, "light": "fixed"}`.

    Values are read as JSON where they are JSON, else as text.

    Raises:
        UserError: a pair has no `=`.
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UserError(f"'{pair}' is no setting. Write --set NAME=VALUE.")
        try:
            overrides[name] = json.loads(text)
        except ValueError:
            overrides[name] = text
    return overrides


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())

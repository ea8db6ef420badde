# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d train autoencoder|decoder|base|geometry|albedo`: the compact prior's training stages."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from idto3d.assets import ASSETS
from idto3d.errors import UserError
from idto3d.training.adapters import PHASES, train_adapter
from idto3d.training.autoencoder import train_autoencoder
from idto3d.training.base import train_base
from idto3d.training.settings import RunSettings, TrainingSettings
from idto3d.training.shards import open_dataset

STAGES = ("autoencoder", "decoder", "base", "geometry", "albedo")


def add_arguments(subparsers: Any) -> None:
    """Add the `train` command to an argparse subparsers object."""
    parser = subparsers.add_parser("train", help="train the compact diffusion prior")
    fill_parser(parser)


def fill_parser(parser: argparse.ArgumentParser) -> None:
    """The arguments of `train`; options left out take the defaults of RunSettings."""
    run = RunSettings()
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--data", type=Path, required=True, help="folder from `idto3d dataset`")
    parser.add_argument("--output", type=Path, required=True, help="prior folder to write")
    parser.add_argument("--minutes", type=float, help="stop after this time")
    parser.add_argument("--samples", type=int, help="stop after this many samples in all")
    parser.add_argument("--resume", action="store_true", help="go on from the saved state")
    parser.add_argument(
        "--warm-start", type=Path, metavar="PRIOR",
        help="base only: begin with the weights of this finished prior",
    )  # fmt: skip
    parser.add_argument("--phase", choices=(*PHASES, "both", "full"), default="both")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--precision", default=run.precision, help="auto, fp32, bf16 or fp16")
    parser.add_argument("--image-size", type=int, default=TrainingSettings().autoencoder.image_size)
    parser.add_argument("--checkpoint-minutes", type=float, default=run.checkpoint_minutes)
    parser.add_argument("--sheet-minutes", type=float, default=run.sheet_minutes)
    parser.add_argument("--log-seconds", type=float, default=run.log_seconds)
    parser.add_argument("--pool-megabytes", type=int, default=run.pool_megabytes)
    parser.add_argument("--seed", type=int, default=run.seed)


# Where a stage wants another default than RunSettings.
_STAGE_DEFAULTS: dict[str, dict[str, float]] = {
    "autoencoder": {"learning_rate": 1e-3, "batch_size": 12},
    "decoder": {"batch_size": 16},
}


def settings_from(args: argparse.Namespace) -> TrainingSettings:
    """TrainingSettings for parsed arguments. Raises UserError without any limit."""
    if args.minutes is None and args.samples is None:
        raise UserError("Training needs an end. Give --minutes or --samples.")
    base = TrainingSettings()
    given = {
        name: getattr(args, name)
        for name in (field.name for field in dataclasses.fields(RunSettings))
        if getattr(args, name, None) is not None
    }
    run = RunSettings(**{**_STAGE_DEFAULTS.get(args.stage, {}), **given})
    shape = dataclasses.replace(base.autoencoder, image_size=args.image_size)
    return dataclasses.replace(base, run=run, autoencoder=shape)


def expression_texts() -> dict[str, str]:
    """What each expression of the vocabulary is called in words."""
    vocabulary = json.loads((ASSETS / "expressions.json").read_text())
    return {entry["name"]: entry["text"] for entry in vocabulary["expressions"]}


def run(args: argparse.Namespace) -> int:
    """Run one stage; returns the exit code. Raises UserError for bad input."""
    dataset = open_dataset(args.data)
    settings = settings_from(args)
    if args.stage in ("autoencoder", "decoder"):
        train_autoencoder(dataset, args.output, settings, args.resume, args.stage)
        return 0
    if args.stage == "base":
        train_base(dataset, args.output, settings, args.resume, expression_texts(), args.warm_start)
        return 0
    train_adapter(
        dataset, args.output, settings, args.resume, args.stage, args.phase, expression_texts()
    )
    return 0


def main() -> int:
    """Entry of `python -m idto3d.training.cli`."""
    parser = argparse.ArgumentParser(prog="idto3d train")
    fill_parser(parser)
    try:
        return run(parser.parse_args())
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

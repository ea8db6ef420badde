# SPDX-License-Identifier: GPL-3.0-or-later
"""`idto3d prior download | assemble`: the ingredients of a full prior, and the prior from them."""

import argparse
from collections.abc import Callable
from pathlib import Path

from idto3d.errors import UserError
from idto3d.prior import download
from idto3d.prior.catalogue import SOURCES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `idto3d prior`."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = commands.add_parser(
        "download",
        help="fetch weights from the Hugging Face Hub, after showing size and licence",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(
            f"{source.name:<21} {source.purpose}\n{'':<21} licence: {source.licence}"
            for source in SOURCES
        ),
    )
    fetch.add_argument("source", metavar="NAME", help="one of the names below, or owner/name")
    fetch.add_argument(
        "--output", type=Path, metavar="DIR", help="default: models/NAME in this folder"
    )
    fetch.add_argument("--half", action="store_true", help="half precision where there is one")
    fetch.add_argument("--yes", action="store_true", help="don't ask")
    fetch.add_argument("--offline", action="store_true", help="only say whether it is here already")
    make = commands.add_parser("assemble", help="a prior's folder from base, identity, adapters")
    make.add_argument("--base", type=Path, required=True, help="a diffusers folder or .safetensors")
    make.add_argument("--ip-adapter", type=Path, metavar="FILE", help="FaceID or FaceID-Portrait")
    make.add_argument("--adapters", type=Path, metavar="DIR", help="a prior trained on this base")
    make.add_argument("--tokenizer", type=Path, metavar="DIR", help="for a base in one file")
    make.add_argument("--vae", type=Path, metavar="DIR", help="another autoencoder")
    make.add_argument("--licence", help="what to record, in place of the usual one")
    make.add_argument("--output", type=Path, required=True, metavar="DIR")


def run(arguments: argparse.Namespace) -> int:
    """Carry out the action. Raises UserError where it can't be."""
    if arguments.action == "download":
        return run_download(arguments, input)
    from idto3d.prior.assemble import Ingredients, assemble

    manifest = assemble(
        Ingredients(
            arguments.base,
            arguments.ip_adapter,
            arguments.adapters,
            arguments.tokenizer,
            arguments.vae,
            arguments.licence,
        ),
        arguments.output,
    )
    adapters = ", ".join(manifest.adapters) or "none: geometry and albedo are guided by the base"
    print(f"{arguments.output}: {manifest.image_size} pixels, adapters {adapters}.")
    print(f"Licence: {manifest.licence}")
    return 0


def run_download(
    arguments: argparse.Namespace, ask: Callable[[str], str], endpoint: str | None = None
) -> int:
    """Show what would be fetched, ask, fetch; returns 0, or 1 after a no.

    Raises UserError for an unknown name, a full disk, a broken connection, or offline when
    something is missing.
    """
    source = download.source_named(arguments.source)
    target = arguments.output or Path("models") / source.name.replace("/", "--")
    target = target.absolute()
    if arguments.offline:
        if download.is_complete(target, source):
            print(f"{source.name} is complete in {target}.")
            return 0
        raise UserError(
            f"{source.name} is not complete in {target}, and --offline was given. "
            "Leave --offline out to fetch it, or copy the folder from another machine."
        )
    plan = download.make_plan(source, target, arguments.half, endpoint)
    print(download.describe(plan))
    download.check_disk(plan)
    if not arguments.yes and not _agreed(ask):
        print("Nothing was fetched.")
        return 1
    download.fetch(plan, print, endpoint)
    print(f"{source.name} is complete in {target}.")
    return 0


def _agreed(ask: Callable[[str], str]) -> bool:
    try:
        answer = ask("Fetch this under these terms? [y/N] ")
    except EOFError:
        raise UserError("Nobody is there to ask. Say --yes if the terms are accepted.") from None
    return answer.strip().lower() in ("y", "yes")

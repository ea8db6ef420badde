# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known to be wrong with a request before anything is written or computed.

Whether a photo shows a usable face is judged by `identity`, when the job has begun.
"""

import difflib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from idto3d.assets import PRIOR, expression_names
from idto3d.errors import UserError
from idto3d.job.protocol import JobFolder, Request
from idto3d.prior.manifest import check_files, read_manifest


def check_request(request: Request) -> None:
    """Check photos, expressions, prior and device of a request.

    Raises:
        UserError: the first thing found that makes the request impossible.
    """
    check_photos(request.photos)
    vocabulary = expression_names()
    for name in request.expressions:
        check_expression(name, vocabulary)
    prior = Path(request.prior) if request.prior is not None else PRIOR
    check_prior(prior)
    check_prior_vocabulary(prior, ("neutral", *request.expressions))
    if request.photo_prior is not None:
        check_prior(Path(request.photo_prior))
    if request.identity_model is not None and not Path(request.identity_model).exists():
        raise UserError(
            f"There is no identity model {request.identity_model}. Check the spelling of its path."
        )
    check_device(request.device)


def check_photos(photos: Sequence[str]) -> None:
    """Raise UserError unless every photo is a readable file."""
    for photo in photos:
        path = Path(photo)
        if not path.exists():
            raise UserError(f"There is no file {photo}. Check the spelling of its name.")
        if path.is_dir():
            raise UserError(
                f"{photo} is a folder. Name the photos themselves, for example {photo}/*.jpg."
            )
        if not os.access(path, os.R_OK):
            raise UserError(f"{photo} can't be read. Ask for permission to read it.")


def check_expression(name: str, vocabulary: Sequence[str]) -> None:
    """Raise UserError with the nearest names unless `name` is in the vocabulary."""
    if name in vocabulary:
        return
    near = difflib.get_close_matches(name, vocabulary, n=3, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(vocabulary)}."
    raise UserError(f"There is no expression named '{name}'. {remedy}")


def check_prior(folder: Path) -> None:
    """Raise UserError unless the prior's folder is complete and its files are as recorded."""
    check_files(folder, read_manifest(folder), needed=("",))


def check_prior_vocabulary(folder: Path, expressions: Sequence[str]) -> None:
    """Raise UserError unless the prior was trained on each expression.

    A prior without a vocabulary of its own is asked for all of them alike.
    """
    known = read_manifest(folder).expression_texts
    for name in expressions:
        if known and name not in known:
            raise UserError(
                f"The prior in {folder} was not trained on the expression '{name}'. "
                f"It knows {', '.join(known)}."
            )


def check_device(device: str) -> None:
    """Raise UserError when CUDA is asked for and can't be used."""
    if device != "cuda":
        return
    import torch  # takes seconds to load, and only this question needs it

    if torch.cuda.is_available():
        return
    if torch.version.cuda is None:
        raise UserError(
            "CUDA was asked for, but the installed torch has no CUDA. "
            "Use --device cpu, or install torch with CUDA as the README says."
        )
    raise UserError(
        "CUDA was asked for, but torch finds no NVIDIA GPU. Use --device cpu, or check the driver."
    )


def create_job(root: Path, request: Request) -> JobFolder:
    """Make the folder of a new job with its request in it.

    Raises:
        UserError: there is a job already, or the folder can't be made or written.
    """
    folder = JobFolder(root)
    if folder.request.exists():
        raise UserError(
            f"{root} already holds a job. Go on with 'idto3d resume {root}', or name another "
            "folder with --output."
        )
    made_root = not root.exists()
    try:
        folder.write_request(request)
    except OSError as error:
        with suppress(OSError):
            withdraw_job(folder, made_root)
        raise UserError(
            f"The folder {root} can't be written ({error.strerror}). "
            "Name another one with --output."
        ) from error
    return folder


def withdraw_job(folder: JobFolder, made_root: bool) -> None:
    """Take back a new job that was refused before it made anything: nothing is left half-written.

    Does nothing once a checkpoint, preview or result exists.

    Args:
        folder: the job that `create_job` made.
        made_root: the folder itself did not exist before.
    """
    if any(path.exists() for path in (folder.checkpoint, folder.preview, folder.result)):
        return
    temporary = folder.request.with_suffix(".json.tmp")
    for path in (folder.request, temporary, folder.events, folder.log):
        path.unlink(missing_ok=True)
    if made_root and not any(folder.root.iterdir()):
        folder.root.rmdir()

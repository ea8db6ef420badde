# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from the Hugging Face Hub: planned, shown to the person, then fetched so that a break only
costs what was on its way.

huggingface_hub asks the Hub and moves the bytes; beginnings of files are kept by us as `.part`
files, because it drops its own when the process ends.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from idto3d.errors import UserError
from idto3d.prior.catalogue import SOURCES, Source
from idto3d.prior.manifest import PARTS

RECORD = "download.json"
SPARE_BYTES = 256 << 20  # that must stay free on the disk
_SETTINGS = (".json", ".txt", ".model")
_WEIGHTS = (".safetensors", ".bin")
_OTHERS = ("onnx", "flax", "openvino", "non_ema", "safety_checker")


@dataclass(frozen=True)
class RemoteFile:
    """A file of the repository."""

    name: str  # path in the repository, with /
    size: int  # bytes
    sha256: str | None  # of large files; the Hub knows none of small ones


@dataclass(frozen=True)
class Plan:
    """What would be fetched, from where to where."""

    repository: str
    revision: str  # the commit, so that all files are of one state
    licence: str
    files: tuple[RemoteFile, ...]
    target: Path

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def missing(self) -> int:
        """Bytes that are not on this machine yet."""
        return self.size - sum(_present(self.target, file) for file in self.files)


def source_named(name: str) -> Source:
    """An entry of the catalogue, or "owner/name" of any repository.

    Raises UserError for anything else.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    if name.count("/") == 1 and all(name.split("/")):
        return Source(name, name, "", "")
    known = ", ".join(source.name for source in SOURCES)
    raise UserError(
        f"There is nothing to download by the name '{name}'. Known are {known}; a repository of "
        "the Hugging Face Hub is written owner/name."
    )


def make_plan(source: Source, target: Path, half: bool, endpoint: str | None = None) -> Plan:
    """Ask the Hub for sizes, state and licence; fetches nothing else.

    half: weights in half precision where the repository has them. endpoint: another Hub's address.
    Raises UserError when the Hub can't be reached or lacks what is wanted.
    """
    from huggingface_hub import HfApi

    info = _asked(
        lambda: HfApi(endpoint=endpoint).model_info(source.repository, files_metadata=True),
        source.repository,
    )
    remote = {
        sibling.rfilename: RemoteFile(
            sibling.rfilename, int(sibling.size or 0), sibling.lfs.sha256 if sibling.lfs else None
        )
        for sibling in info.siblings or ()
    }
    names = source.files or wanted_files(list(remote), half)
    absent = [name for name in names if name not in remote]
    if absent or not names:
        raise UserError(
            f"The repository {source.repository} has no {absent[0] if absent else 'unet folder'}. "
            "Its owner may have changed it; name another one."
        )
    card = info.card_data
    licence = source.licence or (card.get("license") if card else None) or _UNNAMED
    return Plan(
        source.repository, str(info.sha), licence, tuple(remote[name] for name in names), target
    )


_UNNAMED = "none named: ask the repository's owner before you use it"


def wanted_files(names: Sequence[str], half: bool) -> list[str]:
    """Of a repository's files those that make a prior's base: each network's weights once.

    safetensors are preferred to .bin, full precision to half unless `half`.
    """
    chosen = [name for name in names if name == "model_index.json"]
    for part in PARTS:
        own = [
            name
            for name in names
            if name.startswith(f"{part}/") and not any(word in name for word in _OTHERS)
        ]
        if not own:
            continue
        chosen += [name for name in own if name.endswith(_SETTINGS) and ".index." not in name]
        weights = [name for name in own if name.endswith(_WEIGHTS)]
        for wish in _wishes(half):
            if match := [name for name in weights if wish(PurePosixPath(name).name)]:
                chosen += match
                if indices := [n for n in own if ".index." in n and wish(n[: -len(".index.json")])]:
                    chosen += indices
                break
    return chosen if any(name.startswith("unet/") for name in chosen) else []


def _wishes(half: bool) -> list[Callable[[str], bool]]:
    """Which weights are taken, the most wanted first."""

    def kind(suffix: str, is_half: bool) -> Callable[[str], bool]:
        return lambda name: name.endswith(suffix) and (".fp16" in name) == is_half

    order = (True, False) if half else (False, True)
    return [kind(suffix, is_half) for suffix in _WEIGHTS for is_half in order]


def describe(plan: Plan) -> str:
    """What a person must know before saying yes."""
    lines = [
        f"from      {plan.repository} on the Hugging Face Hub, state {plan.revision[:12]}",
        f"licence   {plan.licence}",
        f"to        {plan.target}",
        f"files     {len(plan.files)}, {gigabytes(plan.size)}",
    ]
    lines += [f"          {gigabytes(file.size):>9}  {file.name}" for file in plan.files]
    if plan.missing < plan.size:
        lines.append(f"missing   {gigabytes(plan.missing)}")
    return "\n".join(lines)


def gigabytes(size: int) -> str:
    """`3.44 GB`, `12.3 MB`, `900 B`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def check_disk(plan: Plan) -> None:
    """Raise UserError unless the missing bytes fit on the target's disk."""
    folder = plan.target
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < plan.missing + SPARE_BYTES:
        raise UserError(
            f"The disk of {folder} has {gigabytes(free)} free, and {gigabytes(plan.missing)} are "
            "missing. Make room, or name another folder with --output."
        )


def fetch(plan: Plan, say: Callable[[str], None], endpoint: str | None = None) -> None:
    """Fetch what is missing; each file gets its name when it is whole and its sum is right.

    Raises UserError when the connection breaks or a file is not as the Hub describes it; what has
    arrived stays for the next call.
    """
    check_disk(plan)
    for file in plan.files:
        if _present(plan.target, file) < file.size or not (plan.target / file.name).is_file():
            say(f"{file.name}, {gigabytes(file.size)}")
            _fetch_file(plan, file, endpoint)
    record = {
        "repository": plan.repository,
        "revision": plan.revision,
        "licence": plan.licence,
        "files": [asdict(file) for file in plan.files],
    }
    temporary = plan.target / f"{RECORD}.tmp"
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, plan.target / RECORD)


def is_complete(target: Path, source: Source) -> bool:
    """Whether an earlier download of this source is all there, by its record; asks nobody."""
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
        files = [RemoteFile(**file) for file in record["files"]]
        return record["repository"] == source.repository and all(
            (target / file.name).stat().st_size == file.size for file in files
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _present(target: Path, file: RemoteFile) -> int:
    """Bytes of a file that are here, whole or as its beginning."""
    for path in (target / file.name, _part(target, file)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _part(target: Path, file: RemoteFile) -> Path:
    return target / f"{file.name}.part"


def _fetch_file(plan: Plan, file: RemoteFile, endpoint: str | None) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    part, whole = _part(plan.target, file), plan.target / file.name
    if not whole.resolve().is_relative_to(plan.target.resolve()):
        raise UserError(
            f"The repository {plan.repository} has a file outside of itself. Don't use it."
        )
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists() and part.stat().st_size > file.size:
        part.unlink()
    url = hf_hub_url(plan.repository, file.name, revision=plan.revision, endpoint=endpoint)
    with part.open("ab") as stream:
        begun = stream.tell()
        _asked(
            lambda: http_get(
                url,
                stream,
                resume_size=begun,
                headers=build_hf_headers(),
                expected_size=file.size,
                displayed_filename=file.name,
            ),
            plan.repository,
        )
        stream.flush()
        os.fsync(stream.fileno())
    with part.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if part.stat().st_size != file.size or (file.sha256 and digest != file.sha256):
        part.unlink()
        raise UserError(f"{file.name} arrived damaged. Download it again.")
    os.replace(part, whole)


def _asked(question: Callable[[], Any], repository: str) -> Any:
    """The Hub's answer; its refusals and a missing network as one sentence."""
    import httpx2
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        return question()
    except GatedRepoError as error:
        raise UserError(
            f"{repository} is only for those who accepted its terms. Accept them on its page and "
            "run 'hf auth login'."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"The Hugging Face Hub has no public repository {repository}. Check its name."
        ) from error
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"The Hugging Face Hub can't be reached or broke off ({line}). Run the same command "
            "again: what has arrived is kept."
        ) from error

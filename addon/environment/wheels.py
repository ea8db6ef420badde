# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact wheels of an installation: found by pip, downloaded by us, checked by their sums.

pip only says which files it would take. Downloading them here gives true progress, goes on in the
middle of a file after a break, and leaves a folder that installs on a machine without a network.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .layout import write_whole
from .messages import SetupError, Voice

BLOCK = 1 << 18
TIMEOUT_SECONDS = 30.0
# How often a broken connection is tried again, without any new byte, before giving up.
ATTEMPTS = 4


class Refused(Exception):
    """The file is gone, or wants what pip's settings have: a password, a certificate, a proxy."""


@dataclass(frozen=True)
class Wheel:
    """One file to install."""

    name: str  # normalised
    version: str
    url: str
    sha256: str  # "" when the index does not say

    @property
    def filename(self) -> str:
        """Its name as a file."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rpartition("/")[2])


def normalised(name: str) -> str:
    """A package's name in the one spelling by which two are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_report(text: str) -> tuple[Wheel, ...]:
    """The wheels of pip's installation report, in the order in which pip would install them."""
    found = []
    for item in json.loads(text)["install"]:
        source = item["download_info"]
        hashes = source.get("archive_info", {}).get("hashes", {})
        metadata = item["metadata"]
        found.append(
            Wheel(
                normalised(metadata["name"]),
                metadata["version"],
                source["url"],
                hashes.get("sha256", ""),
            )
        )
    return tuple(found)


def write_plan(path: Path, key: str, wheels: Sequence[Wheel]) -> None:
    """Keep the wheels, for an installation that is broken off and for a repair."""
    write_whole(path, json.dumps({"key": key, "wheels": [asdict(wheel) for wheel in wheels]}))


def read_plan(path: Path, key: str) -> tuple[Wheel, ...] | None:
    """The wheels that were kept for the same wish; None when there are none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["key"] != key:
            return None
        return tuple(Wheel(**item) for item in values["wheels"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sha256(path: Path) -> str:
    """The file's sum as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    wheel: Wheel,
    folder: Path,
    voice: Voice,
    tell: Callable[[int, int], None],
    certificates: Path | None = None,
) -> Path:
    """The wheel as a file in `folder`, downloaded or copied; checked against its sum.

    A download is kept as `NAME.part` until it is whole, and gone on with from there.

    Args:
        tell: gets the bytes so far and in all (0 when unknown).
        certificates: trusted authorities beside the system's.

    Raises:
        SetupError: it can't be had, or is not what the index promised.
        Refused: pip may have more luck.
    """
    path = folder / wheel.filename
    if path.is_file() and (not wheel.sha256 or sha256(path) == wheel.sha256):
        return path
    part = path.with_name(path.name + ".part")
    parsed = urllib.parse.urlsplit(wheel.url)
    if parsed.scheme == "file":
        source = Path(urllib.request.url2pathname(parsed.path))
        if not source.is_file():
            raise Refused(f"{source.name} is not where it was")
        _copy(source, part, voice, tell)
    else:
        _download(wheel.url, part, voice, tell, _context(certificates))
    if wheel.sha256 and sha256(part) != wheel.sha256:
        part.unlink()
        raise SetupError(f"{wheel.filename} arrived damaged.", "Press Resume to download it again.")
    os.replace(part, path)
    return path


def _copy(source: Path, part: Path, voice: Voice, tell: Callable[[int, int], None]) -> None:
    total = source.stat().st_size
    with open(source, "rb") as reader, open(part, "wb") as writer:
        while block := reader.read(BLOCK):
            voice.check()
            writer.write(block)
            tell(writer.tell(), total)


def _context(certificates: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if certificates is not None and certificates.is_file():
        # Blender's Python may know no authorities at all.
        context.load_verify_locations(cafile=str(certificates))
    named = os.environ.get("PIP_CERT")
    if named and Path(named).is_file():
        context.load_verify_locations(cafile=named)
    return context


def _download(
    url: str,
    part: Path,
    voice: Voice,
    tell: Callable[[int, int], None],
    context: ssl.SSLContext,
) -> None:
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _download_rest(url, part, voice, tell, context):
                return
            problem: Exception = ConnectionError("the connection broke")
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 407):
                raise Refused(str(error)) from error
            if error.code < 500:
                raise SetupError(
                    f"{part.name.removesuffix('.part')} is not to be had ({error}).",
                    "Press Resume later, or choose another package index.",
                ) from error
            problem = error
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLError):
                raise Refused(str(error)) from error
            problem = error
        except (OSError, EOFError) as error:
            if getattr(error, "errno", None) == 28:
                raise SetupError("The disk is full.", "Make room, then press Resume.") from error
            problem = error
        voice.check()  # a connection that broke because of that is no failure
        gained = part.stat().st_size - before if part.exists() else 0
        failures = 0 if gained > 0 else failures + 1
        voice.log(f"The connection broke ({problem}).")
        if failures >= ATTEMPTS:
            raise SetupError(
                "The connection to the package index broke.",
                "Check the connection, then press Resume; what has arrived is kept.",
            ) from problem
        if voice.cancelled.wait(min(2.0**failures, 10.0)):
            voice.check()


def _download_rest(
    url: str,
    part: Path,
    voice: Voice,
    tell: Callable[[int, int], None],
    context: ssl.SSLContext,
) -> bool:
    """One connection's worth; True when the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # there is nothing after what we have
            whole = (error.headers.get("Content-Range") or "").rpartition("/")[2]
            if whole == str(have):
                return True
            part.unlink()
            return False
        raise
    with response, voice.interrupting(lambda: _hang_up(response)):
        if have and response.status != 206:
            have = 0  # the server gives the whole file only
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with open(part, "r+b" if have else "wb") as writer:
            writer.seek(have)
            # read1 gives what has come; read would wait, and lose that when it is interrupted.
            while block := response.read1(BLOCK):
                writer.write(block)
                tell(writer.tell(), total)
                voice.check()
            size = writer.tell()
    return not total or size >= total


def _hang_up(response: http.client.HTTPResponse) -> None:
    """End a connection from another thread: whoever waits for its next byte gets its end."""
    with suppress(OSError, ValueError):  # it may just have ended by itself
        handle = socket.socket(fileno=response.fileno())
        try:
            handle.shutdown(socket.SHUT_RDWR)
        finally:
            handle.detach()  # closing is its owner's business


def sums(folder: Path) -> Mapping[str, str]:
    """SHA-256 of each wheel in a bundle, by file name."""
    return {path.name: sha256(path) for path in sorted(folder.glob("*.whl"))}


def copy_all(wheels: Sequence[Path], folder: Path, voice: Voice) -> None:
    """Copy files into a folder; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in wheels:
        voice.check()
        temporary = folder / (path.name + ".part")
        shutil.copyfile(path, temporary)
        os.replace(temporary, folder / path.name)

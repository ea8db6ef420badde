# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend whose packages are a few bytes, and an index on this machine that can break off."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
# For what takes a moment on a machine that does nothing else. A busy one takes its time.
PATIENCE = 60.0  # seconds
PROGRAM = ROOT / "addon" / "environment"
TORCH = "2.13.0+cpu"
# What makes torch the largest package, in bytes that don't compress.
PADDING = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(20_000))


def make_sources(folder: Path, version: str = "1.0") -> Path:
    """An add-on's folder with a list of packages and a backend that says its version."""
    backend = folder / "backend" / "idto3d"
    backend.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "idto3d"\ndependencies = ["torch>=2", "tiny-part>=1"]\n'
    )
    (folder / "constraints.txt").write_text(f"tiny-part=={version}\n")
    (backend / "__init__.py").write_text('__version__ = "tiny"\n')
    return folder


def make_wheel(
    folder: Path, name: str, version: str, files: dict[str, bytes], needs: tuple[str, ...] = ()
) -> Path:
    """A wheel for any Python; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    information = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content = {
        **files,
        f"{information}/METADATA": metadata.encode(),
        f"{information}/WHEEL": tags.encode(),
    }
    record = "".join(
        f"{path},sha256={digest(data)},{len(data)}\n" for path, data in content.items()
    )
    content[f"{information}/RECORD"] = (record + f"{information}/RECORD,,\n").encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for item, data in content.items():
            archive.writestr(item, data)
    return path


def digest(data: bytes) -> str:
    """A sum as a wheel's list of files writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def make_bundle(folder: Path, version: str = "1.0") -> Path:
    """The wheels of the tiny backend: torch, which needs tiny-math, and tiny-part."""
    code = f'__version__ = "{TORCH}"\n'.encode()
    files = {"torch/__init__.py": code, "torch/data.bin": PADDING}
    make_wheel(folder, "torch", TORCH, files, needs=("tiny-math",))
    make_wheel(folder, "tiny_math", "3.0", {"tiny_math.py": b"PI = 3\n"})
    make_wheel(folder, "tiny_part", version, {"tiny_part.py": f"V = '{version}'\n".encode()})
    return folder


def clean_variables() -> dict[str, str]:
    """This process's variables, without what would let pip look anywhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}


@contextmanager
def started(command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The program, started as Blender does; it does not outlive a test that fails."""
    process = start(command, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def start(command: str, **options: Any) -> subprocess.Popen[str]:
    """Start the program as Blender does."""
    words = [sys.executable, "-I", "-B", str(PROGRAM), command]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        words += [] if value is True else [str(value)]
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_variables(),
    )


def run(command: str, **options: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run the program to its end; returns its exit code and messages."""
    process = start(command, **options)
    assert process.stdout is not None and process.stdin is not None and process.stderr is not None
    messages = [json.loads(line) for line in process.stdout]
    errors = process.stderr.read()
    code = process.wait(PATIENCE)
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    assert not errors, errors
    return code, messages


def install_options(root: Path, sources: Path) -> dict[str, Any]:
    """The options that each installation has."""
    return {"root": root, "sources": sources, "python": sys.executable, "variant": "cpu"}


def write_record(root: Path, complete: bool) -> None:
    """The record of an environment."""
    values = {"kind": "idto3d environment", "version": 1, "complete": complete}
    values |= {"variant": "cpu", "python": sys.executable, "key": "", "torch": ""}
    (root / "environment.json").write_text(json.dumps(values))


def record(root: Path) -> dict[str, Any]:
    """What an environment's record says."""
    values: dict[str, Any] = json.loads((root / "environment.json").read_text())
    return values


def site_packages(root: Path) -> Path:
    """Where an environment's packages are."""
    (found,) = (root / "python" / "lib").glob("python3*/site-packages")
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def ask(root: Path, code: str) -> str:
    """What the environment's Python prints when it runs `code`."""
    command = [str(root / "python" / "bin" / "python"), "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Index(BaseHTTPRequestHandler):
    """A package index; `stall_at` bytes into a file it falls silent, as a broken line does."""

    folder: Path
    stall_at: int | None
    stall_pip: bool
    stalled: threading.Event
    resume: threading.Event
    ranges: list[str]

    def do_GET(self) -> None:
        """Answer with the list of a package's files, or with a file."""
        parts = self.path.strip("/").split("/")
        if parts[0] == "files":
            self._file(self.folder / parts[1].replace("%2B", "+"))
        else:
            name = parts[-1].replace("-", "_")
            links = "<!DOCTYPE html>"
            for path in sorted(self.folder.glob(f"{name}-*.whl")):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                links += f'<a href="/files/{path.name}#sha256={digest}">{path.name}</a>\n'
            self._send(200, "text/html", links.encode())

    def _file(self, path: Path) -> None:
        data, wanted = path.read_bytes(), self.headers.get("Range")
        ours = "urllib" in self.headers.get("User-Agent", "")
        if not wanted:
            stall_at = self.stall_at if ours != self.stall_pip else None
            self._send(200, "application/zip", data, stall_at)
            return
        self.ranges.append(wanted)
        first = int(wanted.removeprefix("bytes=").rstrip("-"))
        self._send(206, "application/zip", data[first:])

    def _send(self, code: int, kind: str, data: bytes, stall_at: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if stall_at is None or stall_at >= len(data):
            self.wfile.write(data)
            return
        self.wfile.write(data[:stall_at])
        self.wfile.flush()
        self.stalled.set()
        self.resume.wait(5 * PATIENCE)

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@contextmanager
def index(
    folder: Path, stall_at: int | None = None, stall_pip: bool = False
) -> Iterator[tuple[str, type[Index]]]:
    """Serve the wheels in `folder`; gives the index's address and the server's state.

    Args:
        folder: what there is.
        stall_at: bytes into a file after which nothing comes any more.
        stall_pip: it is pip that waits then, not the add-on's own download.
    """

    class Handler(Index):
        pass

    Handler.folder, Handler.ranges = folder, []
    Handler.stall_at, Handler.stall_pip = stall_at, stall_pip
    Handler.stalled, Handler.resume = threading.Event(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/", Handler
    finally:
        Handler.resume.set()
        server.shutdown()
        server.server_close()

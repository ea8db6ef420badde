# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hub on this machine that speaks as much of the protocol as a download needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """One public repository, a/b."""

    files: dict[str, bytes]
    licence: str | None = "mit"
    break_after: int | None = None  # bytes of a file after which the connection breaks
    sums: dict[str, str] = field(default_factory=dict)  # in place of the right ones
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and Range of each GET
    endpoint: str = ""

    def info(self) -> bytes:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "lfs": {
                    "oid": self.sums.get(name, hashlib.sha256(data).hexdigest()),
                    "sha256": self.sums.get(name, hashlib.sha256(data).hexdigest()),
                    "size": len(data),
                    "pointerSize": 100,
                },
            }
            for name, data in self.files.items()
        ]
        card = {"license": self.licence} if self.licence else {}
        return json.dumps(
            {"id": "a/b", "sha": COMMIT, "siblings": siblings, "cardData": card, "tags": []}
        ).encode()


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve the hub at `hub.endpoint`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append((self.path, self.headers.get("Range", "")))
            path = self.path.partition("?")[0]
            if path == "/api/models/a/b":
                self._answer(200, hub.info(), "application/json")
            elif path.startswith(prefix := f"/a/b/resolve/{COMMIT}/"):
                self._file(hub.files[path.removeprefix(prefix)])
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def _file(self, data: bytes) -> None:
            begin = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
            body = data[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if hub.break_after is not None and len(body) > hub.break_after:
                self.wfile.write(body[: hub.break_after])
                hub.break_after = 0  # and stays broken, however often it is tried
                self.close_connection = True
            else:
                self.wfile.write(body)

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()

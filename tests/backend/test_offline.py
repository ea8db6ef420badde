# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of --offline, in a process of its own, as it can't be taken back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import idto3d

PROGRAM = """
import socket, sys, threading
from idto3d import offline
from idto3d.errors import UserError
offline.forbid_network()
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
socket.getaddrinfo("localhost", 80)
{attempt}
"""


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket().connect(('192.0.2.1', 80))",  # TEST-NET-1, RFC 5737: nobody's
        "socket.getaddrinfo('example.org', 443)",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')",
        "from huggingface_hub import HfApi; HfApi(endpoint='http://192.0.2.1').model_info('a/b')",
    ],
)
def test_refused(attempt: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(attempt=attempt)],
        env={**os.environ, "PYTHONPATH": str(Path(idto3d.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    # Our guard, or the library that was told to stay offline; never a time-out of a connection.
    assert "--offline was given" in answer.stderr or "OfflineModeIsEnabled" in answer.stderr


def test_this_machine_stays_reachable() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(attempt="print('done')")],
        env={**os.environ, "PYTHONPATH": str(Path(idto3d.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.stdout == "done\n", answer.stderr

# SPDX-License-Identifier: GPL-3.0-or-later
"""No network: libraries are told not to ask, and this process can be kept from asking at all."""

import ipaddress
import os
import sys
from typing import Any

from idto3d.errors import UserError

_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
# Python's audit events of a connection and of a look-up of a name (Python docs, "Audit events").
_CONNECTIONS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def tell_libraries() -> None:
    """Let the Hugging Face libraries look for files on this machine only; call before they load."""
    for name in _VARIABLES:
        os.environ[name] = "1"


def forbid_network() -> None:
    """Refuse each connection and look-up of a name by this process, until it ends.

    This machine's own addresses and sockets in the file system stay allowed. Python code alone is
    bound by it; no library that we use opens connections past Python without being asked to.
    """
    tell_libraries()
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTIONS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in _LOOKUPS:
        host = arguments[0]
    else:
        return
    if host is not None and not _is_here(host):
        raise UserError(
            f"Something wanted to connect to {host} although --offline was given. "
            "Leave --offline out, or put what is missing on this machine first."
        )


def _is_here(host: str | bytes) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False

# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine without a network: every attempt to reach one fails the test."""

import socket

import pytest


class NetworkTouched(BaseException):
    """No library catches it, so an attempt can't pass for 'offline'."""


def cut_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection and every look-up of a name fail loudly."""

    def refuse(*arguments: object, **options: object) -> None:
        raise NetworkTouched(arguments)

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)

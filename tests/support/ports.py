"""Ports on loopback."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

PORTS = 12_000, 32_000


def free_port() -> int:
    """One that nobody listens on, below those that the kernel gives to who connects.

    Who tries again and again to reach a port of that range on loopback is once given the very port as
    his own, is connected with himself, and the broker cannot listen there any more.
    """
    while True:
        with (
            suppress(OSError),
            socket.create_server(("127.0.0.1", random.randint(*PORTS))) as server,
        ):
            return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections on loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False

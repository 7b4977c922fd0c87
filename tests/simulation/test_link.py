"""A region's link is cut for those behind it, and for nobody else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioning.simulation.link import RegionalLink


def _answer(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        while piece := connection.recv(16):
            connection.sendall(piece)


def _asks(connection: socket.socket) -> bytes:
    connection.sendall(b"there?")
    return connection.recv(16)


def test_what_goes_through_a_cut_link_ends_and_nothing_is_reached_until_it_is_mended() -> None:
    link = RegionalLink()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor(1, initializer=link.lie_behind) as behind,
        link.laid(),
    ):
        threading.Thread(target=_answer, args=(server,), daemon=True).start()

        def connect() -> socket.socket:
            return socket.create_connection(server.getsockname(), timeout=30)

        def there(asking: Callable[[], bytes]) -> bytes:
            return behind.submit(asking).result(30)

        first = behind.submit(connect).result(30)
        assert there(lambda: _asks(first)) == b"there?"
        with connect() as beside:
            link.cut()
            assert first.recv(16) == b""
            with pytest.raises(OSError, match="unreachable"):
                behind.submit(connect).result(30)
            assert _asks(beside) == b"there?"
        link.mend()
        again = behind.submit(connect).result(30)
        assert there(lambda: _asks(again)) == b"there?"
        first.close()
        again.close()
        server.shutdown(socket.SHUT_RDWR)
    assert socket.create_connection.__module__ == "socket"

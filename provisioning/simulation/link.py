"""A region's link to the broker: while it is cut, nothing goes through it and nothing is reached.

It lies below the agent's uplink, at the one place where connections are made. Whoever starts a thread that uses it
says so in that thread; all other connections of the process are left alone.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class RegionalLink:
    """The link of some of a process's threads.

    Attributes:
        is_cut: Whether nothing goes through it now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._behind = threading.local()
        self._ends: dict[int, socket.socket] = {}
        """Thread → another handle of its connection: one that TLS does not take over."""
        self.is_cut = False

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Have the connections of the threads behind it go through it, as long as the context lasts."""
        direct = socket.create_connection

        def connect(*where: Any, **how: Any) -> socket.socket:
            if not getattr(self._behind, "is_so", False):
                return direct(*where, **how)
            if self.is_cut:
                raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
            return self._noted(direct(*where, **how))

        socket.create_connection = connect
        try:
            yield
        finally:
            socket.create_connection = direct
            for end in self._ends.values():
                end.close()

    def lie_behind(self) -> None:
        """From now on, this thread's connections go through the link."""
        self._behind.is_so = True

    def cut(self) -> None:
        """End what goes through it, and let nothing through."""
        with self._lock:
            self.is_cut = True
            for end in self._ends.values():
                with suppress(OSError):  # it has ended already
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._ends.clear()

    def mend(self) -> None:
        """Let connections through again."""
        self.is_cut = False

    def _noted(self, connection: socket.socket) -> socket.socket:
        with self._lock:
            before = self._ends.pop(threading.get_ident(), None)
            if before is not None:
                before.close()
            if self.is_cut:
                connection.close()
                raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
            self._ends[threading.get_ident()] = connection.dup()
        return connection

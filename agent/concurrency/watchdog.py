"""Progress of the workers, told to systemd: a worker that stands still ends the process.

The protocol is ``sd_notify(3)``: datagrams of ``NAME=value`` lines to the socket that systemd
names in the environment. Without systemd nothing is sent.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def notify(*lines: str) -> bool:
    """Tell systemd something: ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1``, ``STATUS=…``.

    Returns:
        Whether systemd listens and took it. A full socket is not waited for: a watchdog that
        blocks is none.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    message = "\n".join(line.replace("\n", " ") for line in lines)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            channel.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval_s() -> float | None:
    """How often systemd wants ``WATCHDOG=1``: half its limit; None if it does not watch us."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        limit_us = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return limit_us / 2_000_000 if limit_us > 0 else None


class Progress:
    """Who has come how far: each worker marks its rounds, main asks who stands still.

    Args:
        now_s: Steady time.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._limits_s: dict[str, float] = {}
        self._marked_s: dict[str, float] = {}

    def expect(self, name: str, limit_s: float) -> None:
        """From now on the worker has to mark within ``limit_s``, again and again."""
        self._marked_s[name] = self._now_s()
        self._limits_s[name] = limit_s

    def forget(self, name: str) -> None:
        """The worker has ended as it should."""
        self._limits_s.pop(name, None)

    def age_s(self, name: str) -> float:
        """For how long the worker has not marked; one that never did: for ever."""
        return self._now_s() - self._marked_s.get(name, float("-inf"))

    def mark(self, name: str) -> None:
        """The worker has done a round. Any thread; costs next to nothing."""
        self._marked_s[name] = self._now_s()

    def stalled(self, now_s: float) -> list[str]:
        """Name the workers that have stood still for longer than their limit."""
        return sorted(
            name
            for name, limit_s in list(self._limits_s.items())
            if now_s - self._marked_s[name] > limit_s
        )

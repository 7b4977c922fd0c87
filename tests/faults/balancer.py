"""What stands before a cluster: connections go to any node that takes them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.delivery.forwarder import Forwarder

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_PIECE_BYTES = 65_536


class Balancer(Forwarder):
    """Listens on loopback and passes each connection on to a living node. Use as a context.

    Args:
        ports: Where the nodes listen.
        die: Chooses which one is tried first.
    """

    def __init__(self, ports: Sequence[int], die: random.Random) -> None:
        super().__init__()
        self._ports, self._die = list(ports), die

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end cancels this; a cancelled server task would be shown as an error.
        with suppress(asyncio.CancelledError):
            try:
                for port in self._die.sample(self._ports, len(self._ports)):
                    with suppress(ConnectionRefusedError):
                        there, back = await asyncio.open_connection("127.0.0.1", port)
                        await self._join((reader, back), (there, writer))
                        return
            finally:
                writer.transport.abort()

    async def _join(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Pass on both ways until one of them ends: then both have ended."""
        tasks = [asyncio.create_task(_pass_on(*way)) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for _, writer in ways:
                writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()

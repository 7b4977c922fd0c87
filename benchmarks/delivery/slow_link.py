"""A link that is slow and far: a proxy on loopback that passes on so many bits a second, late."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from benchmarks.delivery.forwarder import Link

CHUNK_BYTES = 1460
"""What one Ethernet frame carries of TCP."""
QUEUE_BYTES = 64 * 1024
"""So much waits in the modem; then the sender is slowed down."""


class SlowLink(Link):
    """Forwards connections on loopback to a port. Use as a context.

    Args:
        to_port: Where the broker listens.
        bits_per_s: In each direction.
        delay_s: One way.
    """

    def __init__(self, to_port: int, *, bits_per_s: float = 2e6, delay_s: float = 0.05) -> None:
        super().__init__(to_port)
        self._bits_per_s, self._delay_s = bits_per_s, delay_s

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serialise at the link's rate, then let each piece arrive a delay later."""
        loop = asyncio.get_running_loop()
        flying: deque[tuple[float, bytes]] = deque()
        arrived, room = asyncio.Event(), asyncio.Event()
        over = False

        async def deliver() -> None:
            while not over or flying:
                if not flying:
                    arrived.clear()
                    await arrived.wait()
                    continue
                at_s, piece = flying.popleft()
                room.set()
                await asyncio.sleep(max(0.0, at_s - loop.time()))
                writer.write(piece)

        delivering = asyncio.create_task(deliver())
        free_s = loop.time()
        with suppress(ConnectionError):
            while piece := await reader.read(CHUNK_BYTES):
                free_s = max(free_s, loop.time()) + len(piece) * 8 / self._bits_per_s
                flying.append((free_s + self._delay_s, piece))
                arrived.set()
                while (free_s - loop.time()) * self._bits_per_s / 8 > QUEUE_BYTES:
                    room.clear()
                    await room.wait()
        over = True
        arrived.set()
        with suppress(ConnectionError):
            await delivering
        writer.close()

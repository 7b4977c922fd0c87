"""A port on loopback whose connections are passed on elsewhere; how, the subclass says."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self


class Forwarder(ABC):
    """Use as a context.

    Attributes:
        port: Where it listens, once it has been entered.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection. The end cancels this, and no ``CancelledError`` may leave it."""

    async def _end(self) -> None:
        self._server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        # The sockets that were given up are closed in the loop's next rounds.
        await asyncio.sleep(0.01)


class Link(Forwarder):
    """Passes each connection on to one port of loopback; how its pieces travel, the subclass says.

    Args:
        to_port: Where the broker listens.
    """

    def __init__(self, to_port: int) -> None:
        super().__init__()
        self._to_port = to_port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end cancels this; a cancelled server task would be shown as an error.
        with suppress(asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
            try:
                await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
            finally:
                for end in (writer, back):
                    end.transport.abort()

    @abstractmethod
    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one way of a connection until it ends."""

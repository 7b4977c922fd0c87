"""How much of a connection the server holds out for: few at once, none for long, none for nothing.

uvicorn bounds what a request is; it waits for ever for one to come, and counts a connection only after TLS.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from provisioning.page.small_uvicorn import Config, H11Protocol, Server

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

MAX_CONNECTIONS = 48
MAX_OF_ONE = 16
"""Of one phone: browsers open six, and a page that is loaded again leaves some behind."""
HANDSHAKE_S = 8.0
REQUEST_S = 10.0
"""From a connection, or an answer, to the end of the next request's head."""
KEEP_ALIVE_S = 10
MAX_HEAD_BYTES = 16_384


class Bounded(H11Protocol):
    """A connection that is closed where there are too many, or where no request comes."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse it where there are enough."""
        super().connection_made(transport)
        same = sum(
            1
            for each in self.connections
            if isinstance(each, Bounded)
            and each.client
            and self.client
            and each.client[0] == self.client[0]
        )
        crowded = len(self.connections) > MAX_CONNECTIONS or same > MAX_OF_ONE
        if crowded or not self._is_near():
            transport.abort()
            return
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with it."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A head that has come whole ends the wait for it."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._forget()

    def on_response_complete(self) -> None:
        """Wait for the next."""
        super().on_response_complete()
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_head()

    def _is_near(self) -> bool:
        """Whether the phone is on the unit's own network: nothing is served to what is routed here."""
        if self.client is None or self.server is None:
            return False
        return self.client[0].rpartition(".")[0] == self.server[0].rpartition(".")[0]

    def _wait_for_head(self) -> None:
        self._forget()
        self._deadline = self.loop.call_later(REQUEST_S, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class PageServer(Server):
    """A server on open sockets that gives up on slow handshakes, and leaves signals to whoever runs it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, as uvicorn does, with a limit to the handshake, which it leaves at a minute."""
        loop, config = asyncio.get_running_loop(), self.config

        def connection() -> asyncio.Protocol:
            return Bounded(config=config, server_state=self.server_state, app_state={})

        limits: dict[str, Any] = {"ssl": config.ssl}
        if config.ssl is not None:
            limits |= {"ssl_handshake_timeout": HANDSHAKE_S, "ssl_shutdown_timeout": 2.0}
        self.servers = [
            await loop.create_server(connection, sock=each, backlog=config.backlog, **limits)
            for each in sockets or []
        ]
        self.started = True

    def capture_signals(self) -> Any:
        """None of its own: there are two servers, and one process."""
        return nullcontext()


def server(app: Any, context: Callable[[], ssl.SSLContext] | None) -> PageServer:
    """A server for an application; without a context it speaks plain HTTP."""
    config = Config(
        app,
        loop="asyncio",
        http=Bounded,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # strangers write no log
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=64,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ssl_context_factory=None if context is None else lambda _config, _default: context(),
    )
    return PageServer(config)

"""A store on HTTPS that takes pictures by PUT, with a certificate made for the occasion."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tests.support.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


class PictureStore:
    """Use as a context.

    Args:
        folder: For its certificate.
        status: What it answers, as long as it is not changed.
        host: For whom its certificate is.
        days: For how long that is valid.

    Attributes:
        got: What was put: path and content.
        asked: Every request, by method and path.
        headers: Of the last one that was put.
        without_end: Told again and again instead of an answer, until the connection ends; nothing: it answers.
    """

    def __init__(
        self, folder: Path, *, status: int = 201, host: str = "localhost", days: float = 1
    ) -> None:
        self.status = status
        self.location: str | None = None
        self.got: list[tuple[str, bytes]] = []
        self.asked: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        self.without_end = b""
        self.authority = Authority(folder / "store-pki", "Store CA")
        certificate, key = self.authority.issue("store", server=True, host=host, days=days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        # The handshake is the handler's: who is not trusted must not end the server.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def host(self) -> str:
        return f"localhost:{self._server.server_address[1]}"

    def url(self, path: str = "/inbox/7?signature=do-not-tell") -> str:
        return f"https://{self.host}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that does not trust it ends the handshake: that is no fault of the test's."""


def _handler(store: PictureStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            store.asked.append(("PUT", self.path))
            store.headers = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(self.headers["Content-Length"]))
            while store.without_end:
                self.wfile.write(store.without_end)
            if store.status < 300:
                store.got.append((self.path, content))
            self.send_response(store.status)
            if store.location is not None:
                self.send_header("Location", store.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            store.asked.append(("GET", self.path))
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler

"""A time-stamping authority of the tests' own (RFC 3161): OpenSSL signs, without a network or on a port."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from kerbwatch_platform.contract import timestamp

from tests.support.openssl import openssl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

AUTHORITY = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3 -subj /CN=ExampleRoot
openssl req -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr -subj /CN=ExampleAuthority
printf 'extendedKeyUsage=critical,timeStamping\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out tsa.pem
cat > tsa.cnf <<END
[tsa]
default_tsa = example
[example]
serial = ./serial
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
END
echo 01 > serial
"""
"""An authority without a network. Its response carries its own certificate alone: OpenSSL 3.0 does not order several
as DER asks for, and then a strict reader refuses them (`-chain`, and `certs` in the configuration)."""


def drip(out: BufferedIOBase) -> None:
    """Write byte by byte, unless nobody listens any more."""
    with suppress(OSError):
        for _ in range(400):
            out.write(b"x")
            out.flush()
            time.sleep(0.05)


class TimeStampingAuthority:
    """One on a port of its own; OpenSSL signs.

    Attributes:
        answers: What it does: ``signs``, ``breaks`` (500), ``rambles`` (an endless answer), ``lies`` (another's token),
            ``drips`` (byte by byte, for 20 s).
    """

    def __init__(self, folder: Path) -> None:
        openssl(folder, AUTHORITY)
        self.folder, self.answers, self.asked = folder, "signs", 0
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                authority.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tsa"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        query = request.rfile.read(int(request.headers["Content-Length"]))
        assert request.headers["Content-Type"] == "application/timestamp-query"
        if self.answers == "lies":
            query = timestamp.request(b"another root")
        (self.folder / "query").write_bytes(query)
        openssl(self.folder, "openssl ts -reply -queryfile query -config tsa.cnf -out token")
        token = (self.folder / "token").read_bytes()
        request.send_response(500 if self.answers == "breaks" else 200)
        request.send_header("Content-Type", "application/timestamp-reply")
        request.end_headers()
        if self.answers == "drips":
            drip(request.wfile)
            return
        request.wfile.write(token if self.answers != "rambles" else b"x" * 5_000_000)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

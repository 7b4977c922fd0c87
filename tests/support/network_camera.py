"""A network camera of the tests that asks for a login first, as most do: RTSP and HTTP on one port.

It says what it was told to, remembers who asked how, and sends pictures over HTTP. RTSP's pictures
come from GStreamer's server (``rtsp_server.py``).
"""

from __future__ import annotations

import base64
import hashlib
import socket
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Literal, Self

REALM, NONCE = "camera", "0123456789abcdef"
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {codec}/90000\r\na=control:track1\r\n"
SOUND = "m=audio 0 RTP/AVP 0\r\na=control:track2\r\n"


@dataclass
class Manner:
    """How the camera answers.

    Attributes:
        user: Who is let in; None: everybody.
        password: With this.
        scheme: How it asks.
        describe: The status of RTSP's DESCRIBE or HTTP's GET, behind the login.
        setup: The status of RTSP's SETUP.
        sdp: What it describes.
        location: Where it redirects to, with a ``describe`` of 302.
        jpeg: A picture that is sent over HTTP, ten times a second.
        page: What it answers over HTTP instead.
        tls: Speaks TLS by this context.
    """

    user: str | None = None
    password: str = ""
    scheme: Literal["Basic", "Digest", "SHA-256"] = "Digest"
    describe: int = 200
    setup: int = 200
    sdp: str = SDP + VIDEO.format(codec="H264")
    location: str | None = None
    jpeg: bytes = b""
    page: bytes = b""
    tls: ssl.SSLContext | None = None


@dataclass
class NetworkCamera:
    """A camera that is being asked. Use as a context."""

    manner: Manner
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and Authorization of every request that came through."""

    def __enter__(self) -> Self:
        camera = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                camera.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def logins(self) -> list[str]:
        """The logins that came, each as it was sent."""
        return [authorization for _, authorization in self.asked if authorization]

    def serve(self, line: socket.socket) -> None:
        line.settimeout(20)
        if self.manner.tls is not None:
            with self.manner.tls.wrap_socket(line, server_side=True) as encrypted:
                self._serve(encrypted)
        else:
            self._serve(line)

    def _serve(self, line: socket.socket) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                received = line.recv(4096)
                if not received:
                    return
                buffer += received
            text, _, buffer = buffer.partition(b"\r\n\r\n")
            if not self._answer(line, text.decode("utf-8", "replace").split("\r\n")):
                return

    def _answer(self, line: socket.socket, text: list[str]) -> bool:
        """Answer one request; whether another may follow."""
        method, url, protocol = text[0].split()
        headers = {
            name.lower(): value.strip()
            for name, _, value in (row.partition(":") for row in text[1:])
        }
        authorization = headers.get("authorization", "")
        self.asked.append((method, authorization))
        rtsp = protocol.startswith("RTSP")
        status, more, body = 200, "", ""
        if method != "OPTIONS" and not self._allows(method, authorization):
            status, more = 401, f"WWW-Authenticate: {self._challenge()}\r\n"
        elif method in {"DESCRIBE", "GET"}:
            status = self.manner.describe
            if self.manner.location is not None:
                more = f"Location: {self.manner.location}\r\n"
            if status == 200 and not rtsp:
                return self._send_pictures(line)
            if status == 200:
                body = self.manner.sdp
                more = f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n"
        elif method == "SETUP":
            status = self.manner.setup
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        name = "RTSP/1.0" if rtsp else "HTTP/1.1"
        length = f"CSeq: {headers.get('cseq', 0)}\r\nContent-Length: {len(body)}\r\n"
        line.sendall(f"{name} {status} Said\r\n{length}{more}\r\n{body}".encode())
        return rtsp

    def _send_pictures(self, line: socket.socket) -> bool:
        if self.manner.page:
            kind = b"Content-Type: application/vnd.apple.mpegurl\r\n\r\n"
            line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + kind + self.manner.page)
            return False
        line.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"
        )
        head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(self.manner.jpeg)}\r\n\r\n"
        while True:
            line.sendall(head.encode() + self.manner.jpeg + b"\r\n")
            time.sleep(0.1)

    def _challenge(self) -> str:
        if self.manner.scheme == "Basic":
            return f'Basic realm="{REALM}"'
        more = ', algorithm=SHA-256, qop="auth"' if self.manner.scheme == "SHA-256" else ""
        return f'Digest realm="{REALM}", nonce="{NONCE}"{more}'

    def _allows(self, method: str, authorization: str) -> bool:
        user, password = self.manner.user, self.manner.password
        if user is None:
            return True
        if self.manner.scheme == "Basic":
            known = base64.b64encode(f"{user}:{password}".encode()).decode()
            return authorization == f"Basic {known}"
        told = {
            name.strip(): value.strip(' "')
            for name, _, value in (part.partition("=") for part in authorization[7:].split(","))
        }
        hashed = hashlib.sha256 if self.manner.scheme == "SHA-256" else hashlib.md5

        def digest(*parts: str) -> str:
            return hashed(":".join(parts).encode()).hexdigest()

        middle = (told["nc"], told["cnonce"], told["qop"]) if "qop" in told else ()
        first, second = digest(user, REALM, password), digest(method, told.get("uri", ""))
        return told.get("username") == user and told.get("response") == digest(
            first, NONCE, *middle, second
        )

"""What every request has to be before anything looks at it, and what every answer says.

An ASGI middleware around all of the page: host and origin (against DNS rebinding and other sites), method,
path, size and time of the body, time of the answer; and the headers that keep a browser to this page.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from provisioning.page.setup import Setup

MAX_BODY_BYTES = 512_000
"""A draft of 64 zones with all their corners is a quarter of it; a certificate a hundredth."""
MAX_TARGET_BYTES = 1024
BODY_S = 20.0
ANSWER_S = 30.0
"""Each piece of an answer; a phone that takes none is let go."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
_CHANGES = frozenset({"POST", "PUT"})
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
"""Nothing of ours is escaped, empty or begins with a dot."""
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
]
_NO_STORE = (b"cache-control", b"no-store")


class Guard:
    """Lets through what a browser on this page would ask, and nothing else.

    Args:
        app: What is behind it.
        setup: Names the hosts and origins.
    """

    def __init__(self, app: ASGIApp, setup: Setup) -> None:
        self._app = app
        self._hosts = {each.encode() for each in setup.hosts}
        self._origins = {each.encode() for each in setup.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge and hand on."""
        if scope["type"] != "http":
            return
        answer = _Answer(send)
        refused = self._refusal(scope)
        if refused is not None:
            await answer.refuse(refused)
            return
        await self._app(scope, _Body(scope, receive).receive, answer.send)

    def _refusal(self, scope: Scope) -> int | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        named: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            named.setdefault(name, []).append(value)
        hosts, origins = named.get(b"host", []), named.get(b"origin", [])
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return 421
        if scope["method"] not in METHODS:
            return 405
        changes = scope["method"] in _CHANGES
        # A browser names the origin of every POST; without it this is none of ours.
        if any(each not in self._origins for each in origins) or (changes and len(origins) != 1):
            return 403
        if origins and origins[0] != b"https://" + hosts[0]:
            return 403
        site = named.get(b"sec-fetch-site", [b"same-origin"])
        if changes and site != [b"same-origin"]:
            return 403
        if scope["path"].startswith("/api/") and site[0] not in {b"same-origin", b"none"}:
            return 403
        return _path_refusal(scope)


def _path_refusal(scope: Scope) -> int | None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return 414
    return None if _PLAIN_PATH.fullmatch(scope["raw_path"]) else 404


class BodyError(Exception):
    """A body is too large, or does not come.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Body:
    """Counts what comes, and the time that it takes."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive, self._bytes = receive, 0
        self._whole = False
        self._until_s = asyncio.get_running_loop().time() + BODY_S
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and lengths[0].isdigit() and int(lengths[0][:12]) > MAX_BODY_BYTES:
            self._bytes = MAX_BODY_BYTES + 1

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            BodyError: There is too much of it, or it does not come.
        """
        if self._bytes > MAX_BODY_BYTES:
            raise BodyError(413)
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError as error:
            raise BodyError(408) from error
        self._bytes += len(message.get("body", b""))
        if self._bytes > MAX_BODY_BYTES:
            raise BodyError(413)
        self._whole = not message.get("more_body", False)
        return message


class _Answer:
    """Adds the headers, and gives each piece its time."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            message = {**message, "headers": [*headers, *_HEADERS]}
        async with asyncio.timeout(ANSWER_S):
            await self._send(message)

    async def refuse(self, status: int) -> None:
        """Say no more than the number."""
        text = str(status).encode()
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"text/plain"),
                    (b"content-length", b"%d" % len(text)),
                    (b"connection", b"close"),
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": text})

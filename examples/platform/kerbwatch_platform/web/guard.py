"""What every request has to be before anything looks at it, and what every answer says.

An ASGI middleware around all of the desk: name of the host (against DNS rebinding), length and characters of
what is asked for, size and time of the body; and the headers that keep a browser to this desk.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from kerbwatch_platform.words import LANGUAGES, say, text

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kerbwatch_platform.web.addresses import Addresses

FORM_BYTES = 64_000
"""The longest form is an account's or a verdict's."""
MAX_TARGET_BYTES = 2048
BODY_S = 20.0
METHODS = frozenset({"GET", "HEAD", "POST"})
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: with it a browser names the origin of a form as "null".
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
]
_NO_STORE = (b"cache-control", b"no-store")
_HTTPS_ALONE = (b"strict-transport-security", b"max-age=31536000")

OTHER_NAME = text(
    "The desk does not answer under this name. Use the address that it printed when it started, or set "
    "[web] public_url to the address that people use."
)
_WORDS = {
    400: text("What was asked for holds characters that do not belong there."),
    405: text("The desk does not know this kind of request."),
    414: text("What was asked for is too long."),
    421: OTHER_NAME,
}


class BodyError(Exception):
    """A body is too large, or does not come.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Guard:
    """Lets through what a browser at this desk would ask, and nothing else.

    Args:
        app: What is behind it.
        addresses: Under which names it answers.
    """

    def __init__(self, app: ASGIApp, addresses: Addresses) -> None:
        self._app, self._addresses = app, addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge and hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return
        answer = _Answer(send, https=self._addresses.https)
        refused = self._refusal(scope)
        if refused is not None:
            await answer.refuse(refused)
            return
        await self._app(scope, _Body(scope, receive).receive, answer.send)

    def _refusal(self, scope: Scope) -> int | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._addresses.answers_to(hosts[0].decode("latin-1")):
            return 421
        if scope["method"] not in METHODS:
            return 405
        target = scope.get("raw_path", b"") + b"?" + scope["query_string"]
        if len(target) > MAX_TARGET_BYTES:
            return 414
        return (
            400 if any(each < 0x20 or each == 0x7F for each in unquote_to_bytes(target)) else None
        )


class _Body:
    """Counts what comes, and the time that it takes."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive, self._bytes = receive, 0
        self._whole = False
        self._until_s = asyncio.get_running_loop().time() + BODY_S
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        self._told = int(lengths[0][:18]) if lengths and lengths[0].isdigit() else 0

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            BodyError: There is too much of it, or it does not come.
        """
        if self._whole:
            return await self._receive()
        if self._told > FORM_BYTES:
            raise BodyError(413)
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError as error:
            raise BodyError(408) from error
        self._bytes += len(message.get("body", b""))
        if self._bytes > FORM_BYTES:
            raise BodyError(413)
        self._whole = not message.get("more_body", False)
        return message


class _Answer:
    """Adds the headers."""

    def __init__(self, send: Send, *, https: bool) -> None:
        self._send = send
        self._headers = [*_HEADERS, _HTTPS_ALONE] if https else _HEADERS

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            message = {**message, "headers": [*headers, *self._headers]}
        await self._send(message)

    async def refuse(self, status: int) -> None:
        """Say why, in both languages: who is asking is not known yet."""
        lines = [f"{status}", *(say(language, _WORDS[status]) for language in LANGUAGES)]
        body = "\n".join(lines).encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

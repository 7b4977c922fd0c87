"""Answers to the phones' own connectivity probes, over plain HTTP, and nothing else.

A phone that hears nothing leaves a network that leads nowhere. What it asks is known, and is answered as its maker
does: no redirect, no page of ours, no captive portal. Sources: AOSP, ``NetworkMonitor`` (``/generate_204``: 204);
Apple, *How to use captive networks* (``/hotspot-detect.html``: the word Success); Microsoft, *NCSI*
(``/connecttest.txt``); Chinese makers' phones ask their own hosts for ``/generate_204``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_SUCCESS = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
_NO_CONTENT = (204, b"text/plain", b"")
_ANSWERS = {
    "/generate_204": _NO_CONTENT,
    "/gen_204": _NO_CONTENT,
    "/hotspot-detect.html": (200, b"text/html", _SUCCESS),
    "/library/test/success.html": (200, b"text/html", _SUCCESS),
    "/connecttest.txt": (200, b"text/plain", b"Microsoft Connect Test"),
    "/ncsi.txt": (200, b"text/plain", b"Microsoft NCSI"),
}
PROBE_NAMES = (
    "connectivitycheck.gstatic.com",
    "connectivitycheck.android.com",
    "clients3.google.com",
    "captive.apple.com",
    "www.msftconnecttest.com",
    "www.msftncsi.com",
    "connectivitycheck.platform.hicloud.com",
    "connect.rom.miui.com",
    "conn1.coloros.com",
    "conn2.coloros.com",
    "wifi.vivo.com.cn",
)
"""What phones look up for it."""


async def probes(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's form
    """An ASGI application: a known probe is answered, everything else is not there."""
    if scope["type"] != "http":
        return
    known = _ANSWERS.get(scope["path"]) if scope["method"] in {"GET", "HEAD"} else None
    status, kind, body = known or (404, b"text/plain", b"")
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"connection", b"close")]
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    sent = body if scope["method"] == "GET" else b""
    await send({"type": "http.response.body", "body": sent})

"""To which hosts pictures may be put, and which host a URL means: read so that no two readers could differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from wording.messages import said

HTTPS_PORT, MAX_PORT = 443, 65_535
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?P<name>({_LABEL}\.)*{_LABEL})(:(?P<port>[1-9][0-9]{{0,4}}))?")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
"""A last label that makes an address of it for some readers (WHATWG URL, 3.5): 127.1, 2130706433, 0x7f.1."""
_LONGEST_NAME = 253
"""RFC 1035, 2.3.4, as it is written."""
_TARGET = re.compile(r"[!-~]*")


class UploadUrlError(ValueError):
    """A URL cannot be used. Its words do not repeat it: who has the URL may write there."""


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where something is put.

    Attributes:
        host: As the site names it: ``HOST``, or ``HOST:PORT`` where the port is not 443.
        name: The host's name.
        port: Its port.
        path: What is asked of it: path and query. Secret.
    """

    host: str
    name: str
    port: int
    path: str


def checked_host(text: str) -> str:
    """A host as a site names it, in its one spelling.

    Raises:
        ValueError: It is none, or an address.
    """
    host, _, _ = _host_of(text.lower())
    return host


def target_of(url: str) -> UploadTarget:
    """Where a URL leads.

    Raises:
        UploadUrlError: It is not HTTPS, has a user, a fragment, an address for a host, or what readers differ in.
    """
    scheme, separator, rest = url.partition("://")
    if scheme != "https" or not separator:
        raise UploadUrlError("not https://")
    if not _TARGET.fullmatch(rest) or "\\" in rest or "#" in rest:
        raise UploadUrlError("characters that may not stand in a URL as it is sent")
    try:
        parts = urlsplit(url)
        host, name, port = _host_of(parts.netloc.lower())
    except ValueError as error:
        raise UploadUrlError("no host by name, or more than HOST:PORT in its place") from error
    query = f"?{parts.query}" if parts.query else ""
    return UploadTarget(host, name, port, (parts.path or "/") + query)


def _host_of(text: str) -> tuple[str, str, int]:
    found = _HOST.fullmatch(text)
    name = found["name"] if found else ""
    port = int(found["port"] or HTTPS_PORT) if found else 0
    last = name.rpartition(".")[2]
    if not name or len(name) > _LONGEST_NAME or port > MAX_PORT or _NUMERIC.fullmatch(last):
        raise ValueError(said("give HOST or HOST:PORT, by name and not by address"))
    return (name if port == HTTPS_PORT else f"{name}:{port}"), name, port

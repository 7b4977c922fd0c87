"""Under which names and origins the desk answers."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Web


NOT_HTTPS = text("[web] public_url is {given}; it must begin with https://")
IN_THE_OPEN = text(
    "[web] host is {given}: passwords would cross the network in the open. Keep 127.0.0.1, or put a proxy with TLS "
    "before the desk and set public_url to its https:// address."
)


class AddressError(Exception):
    """The settings name an address at which the desk does not answer.

    Attributes:
        english: The text to be said, with the fact ``given``.
        given: What the settings say.
    """

    def __init__(self, english: str, given: str) -> None:
        super().__init__(english, given)
        self.english, self.given = english, given


class Addresses:
    """The machine's own names, and the public one where a proxy with TLS stands before the desk.

    Args:
        web: What the operator chose.

    Raises:
        AddressError: The desk would answer others without TLS.
    """

    def __init__(self, web: Web) -> None:
        self._public = web.public_url.rstrip("/") if web.public_url else None
        self._web = web
        if self._public and urlsplit(self._public).scheme != "https":
            raise AddressError(NOT_HTTPS, web.public_url or "")
        if not self._public and not _is_loopback(web.host):
            raise AddressError(IN_THE_OPEN, web.host)

    @property
    def https(self) -> bool:
        """Whether people come by TLS alone."""
        return self._public is not None

    def answers_to(self, host: str) -> bool:
        """Whether a request may name this host."""
        if self._public and host == urlsplit(self._public).netloc:
            return True
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return self._public is None and _is_loopback(name.strip("[]"))

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether a form was sent from a page of the desk."""
        return origin == (self._public or f"http://{host}")

    def url(self, path: str, port: int | None = None) -> str:
        """A whole address, for a person to open."""
        host = f"[{self._web.host}]" if ":" in self._web.host else self._web.host
        return (self._public or f"http://{host}:{port or self._web.port}") + path


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

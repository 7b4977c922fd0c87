"""Parses the broker's address, and says what is wrong with it."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from wording.lookalikes import lookalikes
from wording.messages import Said, said

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""By scheme, where none is given."""
_OTHER_SCHEMES = {
    **dict.fromkeys(("ssl", "tls", "mqtt+ssl", "mqtt+tls", "mqtt-tls", "tcps"), "mqtts"),
    **dict.fromkeys(("tcp", "mqtt+tcp"), "mqtt"),
}
_LONGEST_NAME = 253
"""RFC 1035, 2.3.4, as it is written."""
_WEB = {"ws", "wss", "http", "https"}


def checked(address: str) -> str:
    """An address as it is used: ``mqtt://HOST[:PORT]`` or ``mqtts://HOST[:PORT]``.

    The scheme may be in capitals, and a trailing slash is ignored.

    Raises:
        ValueError: What is wrong with it, in words that do not repeat a password.
    """
    for each in lookalikes(address):
        raise ValueError(each.remedy)
    if re.search(r"\s", address):
        raise ValueError(said("it must not contain blanks"))
    scheme, separator, rest = address.partition("://")
    scheme, rest = scheme.lower(), rest.removesuffix("/")
    if fault := _of_scheme(scheme, separator):
        raise ValueError(fault)
    if "@" in rest:
        raise ValueError(
            said(
                "it must not contain a user or a password: give them as username and password_file"
            )
        )
    if re.search(r"[/?#]", rest):
        raise ValueError(said("nothing may follow the port"))
    if fault := _of_host(*_host_and_port(rest)):
        raise ValueError(fault)
    return f"{scheme}://{rest}"


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of a checked address; the scheme's default port if none is given."""
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _of_scheme(scheme: str, separator: str) -> Said | None:
    if not separator:
        return said("give mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    if scheme in PORTS:
        return None
    if scheme in _OTHER_SCHEMES:
        return said(
            "{scheme}:// is called {ours}:// here", scheme=scheme, ours=_OTHER_SCHEMES[scheme]
        )
    if scheme in _WEB:
        return said(
            "MQTT over WebSocket ({scheme}://) is not supported: ask for the broker's MQTT port, "
            "such as mqtts://HOST:8883",
            scheme=scheme,
        )
    return said("give mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")


def _host_and_port(rest: str) -> tuple[str, str]:
    """Split what follows the scheme.

    Raises:
        ValueError: An IPv6 address is not in brackets.
    """
    if bracketed := re.fullmatch(r"(\[[^\[\]]*\])(?::(.*))?", rest):
        return bracketed[1], bracketed[2] or ""
    if rest.count(":") > 1 or re.search(r"[\[\]]", rest):
        raise ValueError(said("an IPv6 address must be in brackets: mqtts://[2001:db8::1]:8883"))
    host, _, port = rest.partition(":")
    return host, port


def _of_host(host: str, port: str) -> Said | None:
    if not host:
        return said("give mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    if not _is_host(host):
        return said("{host} is no host name and no address", host=host)
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:9]) <= 65_535):
        return said("the port is a number from 1 to 65535")
    return None


def _is_host(host: str) -> bool:
    """Whether it can be a name, in any script, or an address."""
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        elif re.fullmatch(r"[0-9.]+", host):
            ipaddress.IPv4Address(host)
        else:
            host.encode("idna")
    except ValueError:  # among them UnicodeError
        return False
    return len(host) <= _LONGEST_NAME and (
        re.search(r"[^\w.-]", host) is None or host.startswith("[")
    )

"""Whether the host is cut off: no route over an interface with a carrier.

Read from where the kernel shows it: ``/proc/net/route`` (IPv4, proc(5)), ``/proc/net/ipv6_route``, and
``carrier`` in ``/sys/class/net`` (Documentation/ABI/testing/sysfs-class-net).
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

_UP, _REJECT = 0x1, 0x200
_ANYWHERE_V6 = "0" * 32


def cut_off(proc: Path = Path("/proc/net"), sys: Path = Path("/sys/class/net")) -> bool:
    """Whether no default route leads over an interface that has a carrier.

    Raises:
        OSError: The kernel does not show its routes here.
    """
    ways = _default_v4(proc / "route") | _default_v6(proc / "ipv6_route")
    return not any(_has_carrier(sys / interface) for interface in ways)


def _default_v4(path: Path) -> set[str]:
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()[1:]]
    return {
        row[0]
        for row in rows
        if len(row) > 7 and row[1] == "00000000" and row[7] == "00000000" and int(row[3], 16) & _UP
    }


def _default_v6(path: Path) -> set[str]:
    if not path.exists():  # a kernel without IPv6
        return set()
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    return {
        row[9]
        for row in rows
        if len(row) > 9
        and row[0] == _ANYWHERE_V6
        and row[1] == "00"
        and not int(row[8], 16) & _REJECT
        and row[9] != "lo"
    }


def _has_carrier(interface: Path) -> bool:
    try:
        return (interface / "carrier").read_text(encoding="ascii").strip() == "1"
    except OSError:  # down, or one that knows no carrier (a modem's): the route is what counts
        return not (interface / "carrier").exists()


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
